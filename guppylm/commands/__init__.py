"""The commands of `python -m guppylm`, one a module: `add` gives it flags, `run` does it."""
