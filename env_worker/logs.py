"""Logging of the worker's command line: one line each, on stderr."""

from __future__ import annotations

import logging
import sys


def configure(verbose: bool) -> None:
    """Send the log of gymbroker to stderr, from INFO on, or DEBUG if ``verbose``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(process)d %(message)s", "%H:%M:%S"))
    log = logging.getLogger("gymbroker")
    log.handlers[:] = [handler]
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    log.propagate = False
