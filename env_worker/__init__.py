"""Hosts environments: takes ``make`` requests from the broker and steps the envs that the agents asked for."""

from env_worker.calls import Allowed
from env_worker.catalogue import CatalogueError
from env_worker.embedded import EmbeddedWorker
from env_worker.settings import WorkerSettings
from env_worker.supervisor import Supervisor, WorkerFailed

__all__ = ["Allowed", "CatalogueError", "EmbeddedWorker", "Supervisor", "WorkerFailed", "WorkerSettings"]
