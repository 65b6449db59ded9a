"""Runs the command line: `python -m guppylm check guppy`."""

import sys

from guppylm.cli import main

if __name__ == "__main__":
    sys.exit(main())
