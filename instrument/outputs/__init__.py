"""Outputs: one file each, found by name."""
