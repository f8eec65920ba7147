"""The limit: bytes of the given sizes through the broker, in frames on a socket.

Usage: raw_echo env|agent URL ACT_KEY PERCEPT_KEY REQUEST_BYTES REPLY_BYTES UNITS [WAY...]

A way: one of ``raw_frames.WAYS``, or ``busy=N``: both ends compute for N microseconds before they send.
"""

from __future__ import annotations

import sys
import time

from bench.programs import loop
from bench.programs.raw_frames import RawPeer

PREFETCH = 4
"""As an env worker's: env_worker.stepper.PREFETCH."""

role, url, act, percept = sys.argv[1:5]
request, reply = (bytes(int(size)) for size in sys.argv[5:7])
acts, percepts = ("gym.acts", act), ("gym.percepts", percept)
ways = sys.argv[8:]
busy_s = sum(int(way[5:]) for way in ways if way.startswith("busy=")) / 1e6


def compute() -> None:
    """What keeps a core busy."""
    if busy_s:
        until = time.perf_counter() + busy_s
        while time.perf_counter() < until:
            pass


if role == "env":
    acks = "no-ack" not in ways
    env = RawPeer(url, acts, percepts, declare=True, prefetch=PREFETCH if acks else 0, ways=ways)
    loop.say(ready=True)
    while True:
        env.receive()
        compute()
        env.send(reply, ack=acks)

agent = RawPeer(url, percepts, acts, declare=False, prefetch=0, ways=ways)


def step(action: int) -> bool:
    compute()
    agent.send(request)
    agent.receive()
    return False


loop.answer(step, lambda: None, [0], units=float(sys.argv[7]))
