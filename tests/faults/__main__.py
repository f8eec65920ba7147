"""``python -m tests.faults``: run the matrix of faults and write docs/faults.md. See ``--help``."""

from __future__ import annotations

from tests.faults.cli import main

if __name__ == "__main__":
    main()
