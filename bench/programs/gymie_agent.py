"""A Python client of Gymie (its own is in TypeScript): the messages of its README over websocket-client.

websocket-client reads in the calling thread; the client of the ``websockets`` library has a thread more, and is slower.
Usage: gymie_agent PORT
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy
import websocket

from bench.programs import loop

socket = websocket.create_connection(f"ws://127.0.0.1:{sys.argv[1]}/gym")


def ask(method: str, **params: Any) -> str:
    socket.send(json.dumps({"method": method, "params": params}))
    return str(socket.recv())


instance = ask("make", env_id="CartPole-v1")


def env_step(action: int) -> tuple[Any, float, bool, dict[str, Any]]:
    observation, reward, done, info = json.loads(ask("step", instance_id=instance, action=action))
    return numpy.array(observation), reward, done, info


def env_reset() -> Any:
    return numpy.array(json.loads(ask("reset", instance_id=instance)))


def step(action: int) -> bool:
    return env_step(action)[2]


loop.answer(step, env_reset, loop.coin_flips())
