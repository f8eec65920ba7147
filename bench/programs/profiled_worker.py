"""Given to ``env-worker serve --import``: the stepper writes down where its time goes.

``GYMBROKER_BENCH_PROFILE`` is ``FILE:WARM_UP:STEPS``: after WARM_UP steps it begins, after STEPS more it writes FILE.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from bench.programs import boundaries
from bench.programs.boundaries import AMQP, WORKER, Book
from env_worker.compat import HostedEnv

file, warm_up, steps = os.environ["GYMBROKER_BENCH_PROFILE"].split(":")
book = Book()
boundaries.install(book, (*WORKER, *AMQP))
boundaries.install_wait(book)
timed_step = HostedEnv.step
count = 0


def counted_step(self: Any, action: Any) -> Any:
    """Where a period begins or ends, it does so within a step: one of many is counted wrong."""
    global count
    count += 1
    if count == int(warm_up):
        book.clear()
    elif count == int(warm_up) + int(steps):
        Path(file).write_text(json.dumps(book.microseconds(int(steps))))
    return timed_step(self, action)


HostedEnv.step = counted_step  # type: ignore[method-assign]  # that is how it counts
