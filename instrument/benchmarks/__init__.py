"""Measurements that `phosphene bench` prints: each module has `measure(seconds) -> dict of figures`."""
