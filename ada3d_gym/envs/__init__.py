"""The faces of the core: one clip, N clips, what they are told and shown, and other action spaces."""
