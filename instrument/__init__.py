"""Phosphene: an instrument for playing a neural network live."""

__version__ = "0.1.0"
