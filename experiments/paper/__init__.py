"""The paper's published numbers."""
