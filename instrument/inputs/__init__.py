"""Inputs: one file each, found by name."""
