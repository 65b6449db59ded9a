"""Looking inside: every number behind a reply that was just given, and where the words came from."""

from guppylm.lens.inside import Inside, look_inside

__all__ = ["Inside", "look_inside"]
