"""Uses environments that others host: proxies, policies, rollouts."""

from agent_worker.remote_env import RemoteEnv

__all__ = ["RemoteEnv"]
