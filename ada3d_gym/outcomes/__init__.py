"""Outcome tables: what a fixed classifier answers on every clip under every mask, known once and for all."""
