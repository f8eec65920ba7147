"""Compression, where the agent asks for it: the same env, shorter messages, over both transports."""

from __future__ import annotations

import asyncio

import gymnasium
import numpy as np
import pytest

import gymbroker
from agent_worker.errors import BadKwargs, InvalidArgument
from agent_worker.running import Run, play
from gymbroker import aio
from protocol import agent_dialogue
from tests.support.commands import run
from tests.support.envs import Counting
from tests.support.equal import identical
from tests.support.paced import SIZED, Sized

SUM = "tests.support.worlds:Sum"
SIZE = 20_000
"""Numbers that a lane observes: 160,000 bytes, nearly all the same."""


@pytest.fixture
def inflated(monkeypatch):
    """The messages that agents of this process have inflated."""
    found = []
    inflate = agent_dialogue.inflate
    monkeypatch.setattr(agent_dialogue, "inflate", lambda message: found.append(message) or inflate(message))
    return found


@pytest.mark.parametrize(("compression", "count"), [("deflate", 4), (None, 0)])
def test_a_compressed_env_is_the_local_one(serve, broker_url, inflated, compression, count):
    serve(SIZED, env_kwargs={"size": SIZE})
    ours, theirs = gymbroker.make(SIZED, broker_url, compression=compression), Sized(SIZE)
    assert identical(ours.reset(seed=1), theirs.reset(seed=1))
    for action in range(3):
        seen, wanted = ours.step(action), theirs.step(np.int64(action))
        assert identical(seen[0], wanted[0])
        assert seen[0].flags.writeable
        assert seen[1:4] == wanted[1:4]
    ours.close()
    assert len(inflated) == count


@pytest.mark.parametrize(("episodes", "isolation"), [(1, "none"), (2, "none"), (1, "process")])
def test_compressed_lanes_are_the_local_ones(serve, lanes, inflated, episodes, isolation):
    serve(SIZED, env_kwargs={"size": SIZE}, isolation=isolation)
    ours = lanes(SIZED, 4, episodes=episodes, compression="deflate")
    theirs = gymnasium.vector.SyncVectorEnv([lambda: Sized(SIZE)] * 4)
    assert identical(ours.reset(seed=1)[0], theirs.reset(seed=1)[0])
    for _ in range(3):
        assert identical(ours.step([1, 0, 2, 1])[0], theirs.step(np.array([1, 0, 2, 1]))[0])
    assert len(inflated) == 4 * episodes
    theirs.close()


def test_frames_are_compressed_and_short_messages_are_not(serve, lanes, inflated):
    serve("CartPole-v1")
    env = lanes("CartPole-v1", 2, render_mode="rgb_array", compression="deflate")
    env.reset(seed=1)
    env.step([0, 1])
    assert not inflated
    frames = env.render()
    assert [frame.shape for frame in frames] == [(400, 600, 3)] * 2
    assert len(inflated) == 1
    assert len(inflated[0].data) < inflated[0].size / 20


def test_coroutines_may_ask_for_it_too(serve, broker_url, inflated):
    serve(SIZED, env_kwargs={"size": SIZE})

    async def play():
        async with await aio.make(SIZED, broker_url, compression="deflate") as env:
            await env.reset(seed=1)
            one = (await env.step(1))[0]
        async with await aio.make_vec(SIZED, 2, broker_url, compression="deflate") as envs:
            await envs.reset(seed=1)
            return one, (await envs.step([1, 1]))[0]

    one, lanes = asyncio.run(play())
    assert identical(one, np.ones(SIZE, np.int64))
    assert identical(lanes, np.ones((2, SIZE), np.int64))
    assert len(inflated) == 4


def test_a_seat_may_ask_for_it(serve, remote, inflated):
    serve(SUM, env_kwargs={"agents": 1})
    env = remote(SUM, world="table", seat="player_0", compression="deflate")
    options = {"text": "x" * 5000}
    assert env.reset(seed=1, options=options)[1]["options"] == options
    assert len(inflated) == 1


def test_a_run_may_ask_for_it(serve, broker_url, inflated):
    serve(SIZED, env_kwargs={"size": SIZE})
    assert play(Run(SIZED, broker=broker_url, steps=3, compression="deflate")).error is None
    assert len(inflated) == 4


def test_a_run_names_another_compression_and_what_can_be_given():
    done = run("agent_worker", "run", "CartPole-v1", "--compression", "zip", url="amqp://127.0.0.1:1/")
    assert done.returncode == 2
    assert done.stderr == "agent-worker: --compression: expected deflate, got 'zip'\n"


@pytest.mark.parametrize("compression", ["zstd", "", 1, b"deflate", True, ["deflate"]])
def test_another_compression_is_refused_before_anything_is_sent(compression):
    with pytest.raises(InvalidArgument, match="CartPole-v1: compression: expected None or 'deflate', got"):
        gymbroker.make("CartPole-v1", "amqp://127.0.0.1:1/", compression=compression)
    with pytest.raises(InvalidArgument, match="CartPole-v1: compression: expected None or 'deflate', got"):
        gymbroker.make_vec("CartPole-v1", 2, "amqp://127.0.0.1:1/", compression=compression)


def test_a_worker_says_which_it_knows(serve, broker_url, monkeypatch):
    """As an agent of a later version may hear, which knows more."""
    serve("tests.support.envs:Counting")
    monkeypatch.setattr("agent_worker.wish.COMPRESSIONS", ("deflate", "later"))
    before = Counting.closed
    with pytest.raises(BadKwargs, match="compression: this worker knows deflate, got 'later'.*fault of the agent"):
        gymbroker.make("tests.support.envs:Counting", broker_url, compression="later")
    assert Counting.closed == before
    gymbroker.make("tests.support.envs:Counting", broker_url, compression="deflate").close()
