"""``python -m agent_worker``."""

from agent_worker.cli import app

app()
