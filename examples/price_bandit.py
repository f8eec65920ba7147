"""The price example of the AEA framework over gymbroker: an agent learns which prices win, an environment knows.

    python examples/price_bandit.py --nb-steps 4000 --nb-goods 10 --nb-prices-per-good 100

Read it from top to bottom; README.md beside it says which file of AEA each part takes the place of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

import gymbroker
from agent_worker.bandit import BetaPriceAgent

if TYPE_CHECKING:
    import gymnasium

# The environment's side is env_worker/price.py in an env worker. Its owner types, on any machine:
#
#     env-worker serve PriceBandit-v0 --broker amqp://user:password@host:5672/
#
# With memory:// there is nothing to type: the env worker lives in this process, and the same messages pass.


def main(
    nb_steps: Annotated[int, typer.Option(min=1)] = 4000,
    nb_goods: int = 10,
    nb_prices_per_good: int = 100,
    broker: str = "memory://",
    seed: int = 0,
    faithful: bool = False,
) -> None:
    """Train a price agent in the price environment, wherever that is; --faithful: exactly as in AEA."""
    agent = BetaPriceAgent(nb_goods, nb_prices_per_good, seed=seed, faithful=faithful)
    env = gymbroker.make(  # the only line that would be another one if the environment were local
        "PriceBandit-v0", broker, nb_goods=nb_goods, nb_prices_per_good=nb_prices_per_good, faithful=faithful
    )
    try:
        fit(agent, env, nb_steps, seed)
    finally:
        env.close()


def fit(agent: BetaPriceAgent, env: gymnasium.Env[Any, Any], nb_steps: int, seed: int) -> None:
    """The agent's side: a plain Gymnasium loop, which cannot tell that the environment is elsewhere."""
    rewards = []
    observation, info = env.reset(seed=seed)
    for step in range(1, nb_steps + 1):
        action = agent.act(observation, info)
        next_observation, reward, terminated, truncated, info = env.step(action)
        agent.learn(observation, action, float(reward), next_observation, terminated, truncated, info)
        observation = next_observation
        if terminated or truncated:  # never in this environment, but a loop without it is wrong in all others
            observation, info = env.reset()
        rewards.append(float(reward))
        if step % 500 == 0 or step == nb_steps:
            good, price = action
            recent = rewards[-500:]
            print(
                f"Step {step}/{nb_steps}: price {price} for good {good}, reward {reward:.0f}; "
                f"mean of the last {len(recent)}: {sum(recent) / len(recent):.3f}"
            )
    print(f"Mean reward of all {nb_steps} steps: {sum(rewards) / nb_steps:.3f}")


if __name__ == "__main__":
    typer.run(main)
