"""``python -m env_worker``."""

from gymbroker_start import env_worker

env_worker()
