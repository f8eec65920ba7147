"""The wire of aiVLE Gym's agent, written anew: see aivle_server. Usage: aivle_agent PORT [lean]"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import numpy
import zmq

from bench.programs import loop

UID = 0

lean = "lean" in sys.argv[2:]
socket = zmq.Context().socket(zmq.REQ)
socket.connect(f"tcp://127.0.0.1:{sys.argv[1]}")


def env_step(action: int) -> tuple[Any, float, bool, dict[str, Any]]:
    if not lean:
        logging.debug(f"agent {UID}: action {action}")  # noqa: G004 - as the original
    socket.send_string(json.dumps({"uid": UID, "method": "step", "action": action}))
    reply = json.loads(socket.recv_string())
    observation, reward, done, info = numpy.array(reply["observation"]), reply["reward"], reply["done"], reply["info"]
    if not lean:
        text = f"agent {UID}: observation {observation}, reward {reward}, done {done}, info {info}"
        logging.debug(text)
    return observation, reward, done, info


def env_reset() -> Any:
    socket.send_string(json.dumps({"uid": UID, "method": "reset"}))
    return numpy.array(json.loads(socket.recv_string())["observation"])


def step(action: int) -> bool:
    return env_step(action)[2]


loop.answer(step, env_reset, loop.coin_flips())
