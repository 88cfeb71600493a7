"""Worlds: families of pictures that are drawn from factors, one file each, found by name."""
