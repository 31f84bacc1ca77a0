"""Training classifiers from scratch so that masks do not break them: in 2D first, then in 3D, under random masks."""
