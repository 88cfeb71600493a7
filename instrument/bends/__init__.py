"""Ops on feature maps, found by decorator: a new op is a new function, or a new file, here."""
