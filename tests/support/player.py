"""An agent in a process of its own: it plays a seat of a world, and writes what it sees, a line of JSON each time.

``python -m tests.support.player ENV_ID WORLD SEAT [--runs N] [--seed N] [--die-at N] [--pause-at N]...``; the broker
is ``GYMBROKER_URL``. ``SEAT`` may be ``any``, and step -1 is the first reset. It acts by its own generator, on legal
actions only where there is a mask.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys

import numpy as np

from agent_worker import RemoteEnv


def choose(rng, space, observation):
    """A random action; the same one for the same generator wherever it is drawn."""
    mask = observation.get("action_mask") if isinstance(observation, dict) else None
    if mask is not None:
        return int(rng.choice(np.flatnonzero(mask))) if mask.any() else 0
    return int(rng.integers(space.n))


def plain(value):
    """``value`` as JSON has it."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def play(env, runs, seed, say, at_step):
    """Play so many runs; ``say`` gets each percept, ``at_step`` the number of each step before it is taken."""
    rng = np.random.default_rng(seed)
    at_step(-1)
    step = 0
    for _ in range(runs):
        observation, info = env.reset(seed=seed)
        say(["reset", plain(observation), plain(info)])
        over = False
        while not over:
            at_step(step)
            step += 1
            action = choose(rng, env.action_space, observation)
            observation, reward, terminated, truncated, info = env.step(action)
            say([action, plain(observation), reward, terminated, truncated, plain(info)])
            over = terminated or truncated


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("env_id", "world", "seat"):
        parser.add_argument(name)
    for name in ("runs", "seed", "die-at"):
        parser.add_argument(f"--{name}", type=int, default=1 if name == "runs" else None)
    parser.add_argument("--pause-at", type=int, action="append", default=[])
    given = parser.parse_args()

    def say(what):
        print(json.dumps(what), flush=True)

    def at_step(step):
        if step == given.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if step in given.pause_at:
            say(["pause"])
            sys.stdin.readline()

    seat = None if given.seat == "any" else given.seat
    env = RemoteEnv(given.env_id, world=given.world, seat=seat, make_timeout=60.0, step_timeout=60.0)
    try:
        say(["seat", env.open().description.world["seat"], env.description.worker])
        play(env, given.runs, given.seed, say, at_step)
    except Exception as error:  # noqa: BLE001 - it is told, whatever it is
        say(["error", type(error).__name__, str(error)])
        raise SystemExit(1) from None
    finally:
        env.close()


if __name__ == "__main__":
    main()
