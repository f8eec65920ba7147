"""An agent that tells where its time goes. Usage: profiled_agent ENV_ID BROKER_URL WARM_UP STEPS"""

from __future__ import annotations

import sys

import gymbroker
from bench.programs import boundaries, loop
from bench.programs.boundaries import AGENT, AMQP, WORKER, Book

env_id, broker = sys.argv[1:3]
warm_up, steps = int(sys.argv[3]), int(sys.argv[4])
memory = broker.startswith("memory:")
book = Book()
boundaries.install(book, (*AGENT, *WORKER) if memory else (*AGENT, *AMQP))
boundaries.install_wait(book)
env = gymbroker.make(env_id, broker)
env.reset(seed=loop.SEED)


def step(action: int) -> bool:
    _, _, terminated, truncated, _ = env.step(action)
    return terminated or truncated


loop.measure(step, env.reset, loop.coin_flips(), warm_up, None)
book.clear()
found = loop.measure(step, env.reset, loop.coin_flips(), steps, None)
loop.say(layers=book.microseconds(steps), **found)
env.close()
