"""Drawn clips of single objects that differ by shape, pattern and motion: where networks for small sets begin."""
