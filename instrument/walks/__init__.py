"""Walks: one file each, found by name."""
