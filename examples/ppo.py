"""PPO in one file, after CleanRL's: the same code learns in local lanes and in lanes behind a broker.

    python examples/ppo.py                                             # gymnasium.make_vec
    python examples/ppo.py --broker memory://                          # gymbroker.make_vec, all in one process
    python examples/ppo.py --broker amqp://user:password@host:5672/    # ... and `env-worker serve CartPole-v1` anywhere

Needs PyTorch. The hyperparameters are the RL Zoo's for CartPole: a mean return of 500 after 100,000 steps.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
import typer
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from torch import nn
from torch.distributions import Categorical

import gymbroker

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

STEPS, EPOCHS, MINIBATCH = 32, 20, 256
GAMMA, LAMBDA, CLIP, LEARNING_RATE = 0.98, 0.8, 0.2, 1e-3


def make_lanes(env_id: str, num_envs: int, broker: str | None, on_worker_loss: str) -> VectorEnv[Any, Any, Any]:
    """The one difference between local and remote."""
    same_step = AutoresetMode.SAME_STEP
    if broker is None:
        return gymnasium.make_vec(env_id, num_envs, "sync", vector_kwargs={"autoreset_mode": same_step})
    return gymbroker.make_vec(env_id, num_envs, broker, autoreset_mode=same_step, on_worker_loss=on_worker_loss)


class Agent(nn.Module):
    """An actor and a critic, two hidden layers each."""

    def __init__(self, lanes: VectorEnv[Any, Any, Any]) -> None:
        super().__init__()
        inputs, outputs = lanes.single_observation_space.shape[0], int(lanes.single_action_space.n)
        self.actor, self.critic = self._network(inputs, outputs, 0.01), self._network(inputs, 1, 1.0)

    @staticmethod
    def _network(inputs: int, outputs: int, gain: float) -> nn.Sequential:
        layers = [nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, outputs)]
        for layer, scale in zip(layers, (2**0.5, 2**0.5, gain), strict=True):
            nn.init.orthogonal_(layer.weight, scale)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])

    def value(self, observations: np.ndarray | torch.Tensor) -> torch.Tensor:
        """(N,) from (N, inputs)."""
        return self.critic(torch.as_tensor(observations)).squeeze(-1)

    def policy(self, observations: np.ndarray | torch.Tensor) -> Categorical:
        """A distribution over actions for each of N observations."""
        return Categorical(logits=self.actor(torch.as_tensor(observations)))


class Rollout:
    """``STEPS`` steps of all lanes; runs go on from one rollout to the next."""

    def __init__(self, lanes: VectorEnv[Any, Any, Any], seed: int) -> None:
        self.lanes, self.returns = lanes, deque[float](maxlen=20)
        self.observations, _ = lanes.reset(seed=seed)

    @torch.no_grad()
    def collect(self, agent: Agent) -> dict[str, torch.Tensor]:
        """(STEPS * N, ...) each of observations, actions, their log probabilities, advantages and returns."""
        steps: list[dict[str, torch.Tensor]] = []
        for _ in range(STEPS):
            observations, policy = self.observations, agent.policy(self.observations)
            actions = policy.sample()
            self.observations, rewards, terminated, truncated, infos = self.lanes.step(actions.numpy())
            for lane in np.flatnonzero(truncated & ~terminated):  # the run was cut off, its future was not
                rewards[lane] += GAMMA * agent.value(infos["final_obs"][lane]).item()
            if "episode" in infos:
                self.returns.extend(infos["episode"]["r"][infos["_episode"]])
            steps.append(
                {
                    "observations": torch.as_tensor(observations),
                    "actions": actions,
                    "log_probs": policy.log_prob(actions),
                    "values": agent.value(observations),
                    "rewards": torch.as_tensor(rewards, dtype=torch.float32),
                    "goes_on": torch.as_tensor(~(terminated | truncated), dtype=torch.float32),
                }
            )
        batch = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
        batch["advantages"] = self._advantages(batch, agent.value(self.observations))
        batch["returns"] = batch["advantages"] + batch["values"]
        return {name: part.flatten(0, 1) for name, part in batch.items()}

    @staticmethod
    def _advantages(batch: dict[str, torch.Tensor], next_values: torch.Tensor) -> torch.Tensor:
        """Generalised advantage estimates, from the last step back to the first."""
        advantages, following = torch.zeros_like(batch["rewards"]), torch.zeros_like(next_values)
        for step in reversed(range(STEPS)):
            goes_on = batch["goes_on"][step]
            delta = batch["rewards"][step] + GAMMA * next_values * goes_on - batch["values"][step]
            advantages[step] = following = delta + GAMMA * LAMBDA * goes_on * following
            next_values = batch["values"][step]
        return advantages


def update(agent: Agent, optimizer: torch.optim.Optimizer, batch: dict[str, torch.Tensor], clip: float) -> None:
    """Some epochs of PPO's clipped objective on one batch."""
    size = len(batch["actions"])
    for _ in range(EPOCHS):
        for chosen in torch.randperm(size).split(MINIBATCH):
            part = {name: values[chosen] for name, values in batch.items()}
            advantages = part["advantages"]
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            policy = agent.policy(part["observations"])
            ratio = (policy.log_prob(part["actions"]) - part["log_probs"]).exp()
            gain = torch.min(advantages * ratio, advantages * ratio.clamp(1 - clip, 1 + clip)).mean()
            miss = 0.5 * (agent.value(part["observations"]) - part["returns"]).square().mean()
            optimizer.zero_grad()
            (miss - gain).backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()


@torch.no_grad()
def evaluate(agent: Agent, lanes: VectorEnv[Any, Any, Any], episodes: int, seed: int) -> float:
    """Mean return of the best actions, over ``episodes`` runs, the same number from each lane."""
    observations, _ = lanes.reset(seed=seed)
    returns: list[list[float]] = [[] for _ in range(lanes.num_envs)]
    each = -(-episodes // lanes.num_envs)  # not the first to end: those would be the short ones
    while any(len(found) < each for found in returns):
        observations, _, _, _, infos = lanes.step(agent.policy(observations).probs.argmax(-1).numpy())
        for lane in np.flatnonzero(infos.get("_episode", ())):
            returns[lane].append(infos["episode"]["r"][lane])
    return float(np.mean([found[:each] for found in returns]))


def main(
    env_id: str = "CartPole-v1",
    broker: str | None = None,
    num_envs: int = 8,
    total_steps: int = 100_000,
    episodes: int = 20,
    seed: int = 1,
    on_worker_loss: str = "raise",
) -> None:
    """Train, then evaluate; --broker: in lanes of an env worker there, else in this process.

    --on-worker-loss: what becomes of it when that worker is lost: raise, truncate or replay.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # networks as small as these gain nothing by more
    lanes = RecordEpisodeStatistics(make_lanes(env_id, num_envs, broker, on_worker_loss))
    agent, rollout = Agent(lanes), Rollout(lanes, seed)
    optimizer = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE, eps=1e-5)
    updates, started = total_steps // (STEPS * num_envs), time.monotonic()
    for done in range(updates):
        left = 1 - done / updates
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * left
        update(agent, optimizer, rollout.collect(agent), CLIP * left)
        if (done + 1) % 50 == 0:
            steps = (done + 1) * STEPS * num_envs
            rate = steps / (time.monotonic() - started)
            print(f"step {steps}: mean return {np.mean(rollout.returns):.1f}, {rate:.0f} steps/s", flush=True)
    print(f"Mean return of {episodes} evaluation episodes: {evaluate(agent, lanes, episodes, seed + 1_000):.1f}")
    lanes.close()


if __name__ == "__main__":
    typer.run(main)
