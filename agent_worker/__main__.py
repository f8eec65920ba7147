"""``python -m agent_worker``."""

from gymbroker_start import agent_worker

agent_worker()
