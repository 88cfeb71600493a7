"""Where a user's own files lie on this machine: what is set for it, and what may be thrown away."""

from pathlib import Path

from platformdirs import user_cache_path, user_config_path


def config() -> Path:
    """The file of what is set for this machine, such as `~/.config/phosphene/config.toml`."""
    return user_config_path("phosphene") / "config.toml"


def cache() -> Path:
    """The folder of what can be found out again, such as `~/.cache/phosphene`."""
    return user_cache_path("phosphene")
