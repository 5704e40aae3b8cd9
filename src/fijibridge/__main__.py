"""``python -m fijibridge``."""

import sys

from fijibridge.cli import main

if __name__ == "__main__":
    sys.exit(main())
