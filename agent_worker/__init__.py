"""Uses environments that others host: proxies, policies, rollouts."""

from agent_worker.remote_env import RemoteEnv
from agent_worker.remote_vector_env import RemoteVectorEnv

__all__ = ["RemoteEnv", "RemoteVectorEnv"]
