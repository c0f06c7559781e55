"""``python -m knnc``: the same program as ``knnc``."""

import sys

from knnc.cli import main

if __name__ == "__main__":
    sys.exit(main())
