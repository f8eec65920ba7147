"""Nobody makes the hot path slower without a test that says so. No test here looks at a clock alone.

Times are compared with those of a fixed piece of work in the same process and the same moment, each by its best of many
short repeats: load of the machine lengthens most repeats, and spares some of each. Counts of calls and of memory know
no noise at all. Where the hot path has become cheaper, write the new values here, so that it stays so.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tracemalloc
from time import perf_counter_ns

import gymnasium
import msgpack
import numpy as np
import pytest

import gymbroker
from protocol.agent_dialogue import AgentDialogue
from protocol.codec import decode, encode
from protocol.env_dialogue import EnvDialogue
from protocol.messages import Act, Make, Percept, Reset, Status
from tests.protocol.examples import AGENT, EPISODE, WORKER

ROOM = 1.8
"""How many times the recorded ratio a ratio may be."""

RECORDED = {"encode": 0.20, "decode": 0.24, "dialogue": 0.69}
"""Time of one act and its percept, in times of ``reference``."""

CALLS = 134
"""Python and C calls of one step over memory://, of agent and worker together, with an env that does nothing."""

PEAK = 6_000
"""Bytes that one such step needs at most at a time."""

BODIES = 3.1
"""How many times the size of its frames a step of 16 lanes of frames needs at most at a time."""

FEW = 1.05
"""Room for other versions of Python, NumPy and msgpack, where something is counted."""

FRAME = (84, 84, 4)
REPEATS, LENGTH = 150, 10


class Still(gymnasium.Env):
    """CartPole's spaces, and nothing behind them."""

    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(-1, 1, (4,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self._observation = np.zeros(4, np.float32)

    def reset(self, *, seed=None, options=None):
        return self._observation, {}

    def step(self, action):
        return self._observation, 1.0, False, False, {}


class Frames(Still):
    """Four stacked frames."""

    def __init__(self):
        super().__init__()
        self.observation_space = gymnasium.spaces.Box(0, 255, FRAME, np.uint8)
        self._observation = np.zeros(FRAME, np.uint8)


def reference():
    """Work of a fixed amount and of the kind that a hot path in Python does: calls, containers, msgpack."""
    fields = {}
    for number in range(20):
        fields[f"field {number}"] = (number, float(number), bool(number % 2))
    found = msgpack.unpackb(msgpack.packb(list(fields.values())))
    return sum(one for one, *_ in found)


def best(contenders):
    """For each the least nanoseconds of ``LENGTH`` calls, all taken in turns."""
    found = dict.fromkeys(contenders, sys.maxsize)
    for _ in range(REPEATS):
        for name, work in contenders.items():
            start = perf_counter_ns()
            for _ in range(LENGTH):
                work()
            found[name] = min(found[name], perf_counter_ns() - start)
    return found


def dialogue():
    """A round trip between two ends in one process: ``step()``."""
    agent = AgentDialogue(EPISODE, AGENT)
    make = decode(agent.make("CartPole-v1"))
    assert isinstance(make, Make)
    env = EnvDialogue(make, WORKER)
    agent.receive(env.reply(Status, content={}))

    def step(kind=Act, **fields):
        env.receive(agent.ask(kind, **(fields or {"action": 1})))
        reply = env.reply(
            Percept, reward=1.0, terminated=False, truncated=False, info={}, observation=b"0123456789abcdef"
        )
        return agent.receive(reply)

    assert step(Reset, seed=1) is not None
    assert step().reward == 1.0
    return step


@pytest.fixture(scope="module")
def times():
    act = Act(EPISODE, 1000, AGENT, 1)
    percept = Percept(EPISODE, 1000, WORKER, 1.0, False, False, {}, b"0123456789abcdef")
    bodies = encode(act), encode(percept)
    contenders = {
        "reference": reference,
        "encode": lambda: (encode(act), encode(percept)),
        "decode": lambda: (decode(bodies[0]), decode(bodies[1])),
        "dialogue": dialogue(),
    }
    return best(contenders)


@pytest.fixture
def stepping():
    """``stepping("Still")`` gives a function that steps such an env over memory://, warmed up."""
    envs = []

    def make(name, lanes=None):
        env_id, broker = f"{__name__}:{name}", f"memory://{name}"
        if lanes is None:
            env, action = gymbroker.make(env_id, broker), 1
        else:
            env, action = gymbroker.make_vec(env_id, num_envs=lanes, broker=broker), np.ones(lanes, np.int64)
        envs.append(env)
        env.reset()
        for _ in range(50):
            env.step(action)
        return lambda: env.step(action)

    yield make
    for env in envs:
        env.close()


@pytest.mark.parametrize("name", RECORDED)
def test_codec_and_dialogue_cost_no_more_than_they_did(times, name):
    ratio = times[name] / times["reference"]
    assert ratio <= ROOM * RECORDED[name], f"{ratio:.2f} times the reference; recorded are {RECORDED[name]:.2f}"


def test_a_step_over_memory_takes_no_more_calls_than_it_did(stepping):
    step = stepping("Still")
    # The usual count: when the worker's own thread happens to be awake, some of the work is done there.
    assert statistics.median_high(calls(step) for _ in range(50)) <= FEW * CALLS


def calls(work):
    """How many calls of Python and C functions it makes in this thread."""
    count = 0

    def called(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count - 1  # the last is setprofile


def test_a_step_over_memory_needs_no_more_memory_than_it_did(stepping):
    assert peak(stepping("Still")) <= FEW * PEAK


def test_frames_are_not_copied_more_often_than_they_were(stepping):
    body = 16 * int(np.prod(FRAME))
    assert peak(stepping("Frames", lanes=16)) / body <= FEW * BODIES


def peak(work):
    """The least of some peaks of traced memory, in bytes above what there was before."""
    gc.collect()
    tracemalloc.start()
    try:
        found = []
        for _ in range(20):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            work()
            found.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return min(found)


def test_steps_leave_nothing_behind(stepping):
    step = stepping("Still")
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(2000):
        step()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200
