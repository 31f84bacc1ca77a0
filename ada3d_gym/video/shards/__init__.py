"""Videos in few large files, in WebDataset's layout, of which each is read by its place."""
