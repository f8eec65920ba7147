"""``python -m gymbroker``."""

from gymbroker.cli import app

app()
