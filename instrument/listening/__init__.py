"""Hearing: pure numpy, audio blocks to features."""
