"""How large the messages of a step of ours are, in the middle of many: taken from a dialogue over memory://.

Usage: sizes ENV_ID [LANES]. Says ``{"request": bytes, "reply": bytes}``.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

import gymbroker
from bench.programs.loop import say
from broker.memory import MemoryConnection

STEPS = 300
"""So many, that step ids have the width that they have in a long run."""

sent: list[int] = []
send = MemoryConnection.send


def recording(self: Any, exchange: str, key: str, body: bytes, **more: Any) -> None:
    sent.append(len(body))
    send(self, exchange, key, body, **more)


MemoryConnection.send = recording  # type: ignore[method-assign]  # that is how it measures
lanes = int(sys.argv[2]) if len(sys.argv) > 2 else None
if lanes is None:
    env: Any = gymbroker.make(sys.argv[1], "memory://")
else:
    env = gymbroker.make_vec(sys.argv[1], num_envs=lanes, broker="memory://")
requests, replies = [], []
env.reset(seed=0)
for _ in range(STEPS):
    sent.clear()
    _, _, terminated, truncated, _ = env.step(env.action_space.sample())
    requests.append(sent[0])
    replies.append(sent[1])
    if lanes is None and (terminated or truncated):
        env.reset()
env.close()
say(request=statistics.median_high(requests), reply=statistics.median_high(replies))
