"""Two parties play tic-tac-toe in one world of a third: a seat is a plain Gymnasium env, and reset waits for the other.

    python examples/tictactoe.py                    # both players in this process, over memory://

Over a broker each player is a process of its own, on any machine, of any party; who hosts the game is another one:

    env-worker serve pettingzoo.classic.tictactoe.tictactoe:env --broker amqp://...
    python examples/tictactoe.py --broker amqp://... --world friday --seat player_1
    python examples/tictactoe.py --broker amqp://... --world friday --seat player_2

It needs PettingZoo where the game is hosted: pip install 'gymbroker[multi-agent]' pygame
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import typer

import gymbroker

GAME = "pettingzoo.classic.tictactoe.tictactoe:env"
SEATS = ("player_1", "player_2")
NAMES = {1.0: "wins", 0.0: "draws", -1.0: "loses"}


def main(
    games: int = 10, broker: str = "memory://", world: str = "table-1", seat: str | None = None, seed: int = 0
) -> None:
    """Play one seat at a broker, or both over memory://."""
    seats = SEATS if seat is None else (seat,)
    with ThreadPoolExecutor(len(seats)) as pool:
        scores = list(pool.map(lambda name: play(broker, world, name, games, seed), seats))
    for name, score in zip(seats, scores, strict=True):
        print(f"{name} {', '.join(f'{what} {score.count(reward)}' for reward, what in NAMES.items())} of {games}")


def play(broker: str, world: str, seat: str, games: int, seed: int) -> list[float]:
    """What each game brought to one player. It cannot tell who the other is, or where."""
    rng = np.random.default_rng([seed, SEATS.index(seat)])
    env = gymbroker.make(GAME, broker, world=world, seat=seat)
    scores = []
    try:
        for _ in range(games):
            observation, info = env.reset()  # returns when both have come, and it is our turn
            over = False
            while not over:
                action = rng.choice(np.flatnonzero(observation["action_mask"]))
                # returns when it is our turn again, or the game is over
                observation, reward, terminated, truncated, info = env.step(action)
                over = terminated or truncated
            scores.append(float(reward))
            if "missing_seats" in info:
                print(f"{seat}: {info['missing_seats']} had to be played by default")
    finally:
        env.close()
    return scores


if __name__ == "__main__":
    typer.run(main)
