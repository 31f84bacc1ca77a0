"""Decoders: frames by number, from whatever file."""
