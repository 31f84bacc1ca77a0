"""Answers for new videos from a trained network and its policy."""
