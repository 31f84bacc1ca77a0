"""Policies for Ada3D environments, one file per family."""
