"""Modulators: one file each, found by name."""
