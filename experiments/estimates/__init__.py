"""What a training takes of memory, disk and time, said before it starts, and passes that fit into memory."""
