"""Making a persona in the page: a bench to write at, a training beside the page, a persona to take away."""
