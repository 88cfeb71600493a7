"""Other people's networks, read without running anything that is in their files."""
