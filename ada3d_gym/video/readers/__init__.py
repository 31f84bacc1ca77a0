"""One reader for each data set's own lists."""
