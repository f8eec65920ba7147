"""``python -m env_worker``."""

from env_worker.cli import app

app()
