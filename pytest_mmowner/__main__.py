"""``python -m pytest_mmowner``: the same as ``mmowner``."""

import sys

from ._cli import main

if __name__ == "__main__":
    sys.exit(main())
