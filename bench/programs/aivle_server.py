"""The wire of aiVLE Gym's judge, written anew, because aivle_gym is on no package index. Usage: aivle_server [lean]

One REP socket; JSON strings of the fields that aivle_gym 0.2.0 sends; observations as its CartPole example sends them
(``tolist``). For each request it makes a text for ``logging.debug``, with the request parsed once more, whether anybody
listens or not; so does this, unless it is ``lean``.
"""

from __future__ import annotations

import json
import logging
import sys

import zmq

from bench.programs.cartpole import OldCartPole
from bench.programs.loop import say

lean = "lean" in sys.argv[1:]
env = OldCartPole()
socket = zmq.Context().socket(zmq.REP)
say(ready=True, port=socket.bind_to_random_port("tcp://127.0.0.1"))
while True:
    message = socket.recv_string()
    request = json.loads(message)
    method = request["method"]
    if method == "step":
        observation, reward, done, info = env.step(request["action"])
        reply = {"observation": observation.tolist(), "reward": reward, "done": done, "info": info}
        socket.send_string(json.dumps(reply))
    elif method == "reset":
        socket.send_string(json.dumps({"accepted": True, "observation": env.reset().tolist()}))
    else:
        raise ValueError(f"this benchmark never asks for {method!r}")
    if not lean:
        logging.debug(f"judge: {request['uid']} asked {json.loads(message)}")  # noqa: G004 - as the original
