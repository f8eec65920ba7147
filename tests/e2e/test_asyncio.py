"""Remote envs in an event loop: hundreds at once from one thread, over both transports."""

from __future__ import annotations

import asyncio
import contextlib

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from agent_worker import aio
from agent_worker.errors import (
    AlreadyPending,
    CallRefused,
    EnvClosed,
    EnvError,
    InvalidAction,
    NoFreeWorker,
    NotReset,
    StepTimeout,
)
from env_worker import Allowed
from tests.support.commands import eventually
from tests.support.equal import identical
from tests.support.loops import empty, run
from tests.support.paced import GATED, RAISE, WAIT

COUNTING, SUM = "tests.support.envs:Counting", "tests.support.worlds:Sum"
MASKABLE = "tests.support.callables:Maskable"
CARTPOLE = "CartPole-v1"


def lean(index, observation):
    """A policy for CartPole: push to where the pole leans."""
    return int(observation[2] > 0)


async def local_run(seed):
    """What CartPole gives to ``lean``, locally."""
    env = gymnasium.make(CARTPOLE)
    observation, _ = env.reset(seed=seed)
    found, over = [], False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(lean(0, observation))
        found.append((observation, float(reward), terminated, truncated))
        over = terminated or truncated
    return found


async def play_all(make, count):
    """``count`` envs, each to its end; gives what each was given by run."""
    envs = await asyncio.gather(*(make(CARTPOLE) for _ in range(count)))
    found = {}
    async for _, step in aio.map(lean, envs, episodes=count, seed=7):
        one = (step.next_observation, step.reward, step.terminated, step.truncated)
        found.setdefault(step.run, []).append(one)
    await asyncio.gather(*(env.close() for env in envs))
    return found


@pytest.mark.parametrize("count", [200])
def test_hundreds_of_episodes_are_driven_from_one_thread_and_are_the_local_ones(serve, make, broker_url, count):
    count = count if broker_url.startswith("memory") else count // 2
    one = serve(CARTPOLE, capacity=count)

    async def main():
        found = await play_all(make, count)
        assert sorted(found) == list(range(count))
        for number, steps in found.items():
            assert identical(steps, await local_run(7 + number))

    asyncio.run(main())
    eventually(lambda: empty(one), "the slots are free")


def test_an_env_is_what_the_sync_one_is(serve, make, remote):
    serve(COUNTING)

    async def main():
        async with await make(COUNTING, render_mode="rgb_array") as env:
            theirs = remote(COUNTING, render_mode="rgb_array")
            assert (env.observation_space, env.action_space) == (theirs.observation_space, theirs.action_space)
            assert (env.metadata, env.description.env_id) == (theirs.metadata, COUNTING)
            given = {"seed": 3, "options": {"a": 1}}
            assert identical(await env.reset(**given), theirs.reset(**given))
            for action in (0, 1, 2):
                assert identical(await env.step(action), theirs.step(action))
            assert identical(await env.render(), theirs.render())
            assert COUNTING in repr(env)
        with pytest.raises(EnvClosed):
            await env.step(0)
        await env.close()

    run(main())


def test_lanes_are_those_of_sync_vector_env(serve, broker_url):
    serve(CARTPOLE)

    async def main():
        ours = await aio.make_vec(CARTPOLE, 6, broker_url, episodes=3, make_timeout=20.0)
        theirs = SyncVectorEnv([lambda: gymnasium.make(CARTPOLE)] * 6)
        assert ours.action_space == theirs.action_space
        assert identical(await ours.reset(seed=5), theirs.reset(seed=5))
        for _ in range(100):
            actions = theirs.action_space.sample()
            assert identical(await ours.step(actions), theirs.step(actions))
        await ours.close()
        theirs.close()

    run(main())


def test_lanes_name_what_is_wrong_and_wait_again(serve, broker_url, gate):
    workers = [serve(GATED, capacity=1) for _ in range(2)]

    async def main():
        mode = {"autoreset_mode": "disabled", "render_mode": "rgb_array"}
        async with await aio.make_vec(GATED, 4, broker_url, episodes=2, make_timeout=20.0, **mode) as envs:
            mask = np.array([True, True, False, False])
            with pytest.raises(NotReset, match="lanes 2 to 3"):
                await envs.reset(options={"reset_mask": mask})
            await envs.reset()
            with pytest.raises(InvalidAction, match="expected 4 actions"):
                await envs.step([0] * 3)
            with pytest.raises(EnvError, match="lanes 0 to 1: .*told to") as caught:
                await envs.step([RAISE, 0, 0, 0])
            assert caught.value.env_id.tolist() == [0, 1]
            assert (await envs.reset(options={"reset_mask": mask}))[0].ravel().tolist() == [0, 0, 1, 1]
            assert len(await envs.render()) == 4
            envs.step_timeout = 2.0  # the other lanes have answered by then
            for wait in (lambda: envs.step([0, 0, WAIT, 0]), lambda: envs.wait(0.3)):
                with pytest.raises(StepTimeout, match="lanes 2 to 3: .*waited"):
                    await wait()
            with pytest.raises(AlreadyPending):
                await envs.step([0] * 4)
            gate.set()
            assert (await envs.wait(20.0))[0].ravel().tolist() == [1, 1, 2, 2]
            envs.step_timeout = 20.0
            with pytest.raises(asyncio.TimeoutError):
                gate.clear()
                await asyncio.wait_for(envs.step([0, 0, WAIT, 0]), 0.5)
            gate.set()
            assert (await envs.wait())[0].ravel().tolist() == [2, 2, 3, 3]

    run(main())
    eventually(lambda: all(map(empty, workers)), "the slots are free")


def test_all_seats_of_a_world_are_driven_from_one_loop(serve, make):
    serve(SUM)

    async def main():
        seats = [await make(SUM, world="asyncio", seat=f"player_{seat}") for seat in range(2)]
        await asyncio.gather(*(seat.reset(seed=4) for seat in seats))
        for _ in range(3):
            first, second = await asyncio.gather(seats[0].step(3), seats[1].step(4))
            assert (first[1], second[1]) == (3.0, 4.0)
        await asyncio.gather(*(seat.close() for seat in seats))

    run(main())


def test_methods_and_attributes_of_an_env_can_be_asked_for(serve, make):
    serve(MASKABLE, allowed=Allowed(call=("echo",), get=("gravity",)))

    async def main():
        async with await make(MASKABLE, gravity=1.5) as env:
            assert await env.call("echo", 1, key=2) == ((1,), {"key": 2})
            assert await env.call("gravity") == 1.5
            for refused in (lambda: env.call("action_masks"), lambda: env.call("gravity", 3)):
                with pytest.raises(CallRefused):
                    await refused()

    run(main())


@pytest.mark.parametrize(("num_envs", "says"), [(0, "num_envs: expected a positive int"), (3, "each of 2 episodes")])
def test_lanes_that_make_no_sense_are_refused_before_anything_is_sent(num_envs, says):
    with pytest.raises(ValueError, match=says):
        asyncio.run(aio.make_vec(CARTPOLE, num_envs, "amqp://127.0.0.1:1/", episodes=2))


def test_if_one_episode_of_the_lanes_cannot_be_opened_none_is(serve, broker_url, patience):
    one = serve(COUNTING, capacity=2)

    async def main():
        with pytest.raises(NoFreeWorker, match="2 of 3 episodes had been opened, and are closed again"):
            await aio.make_vec(COUNTING, 3, broker_url, episodes=3, make_timeout=patience)

    run(main())
    eventually(lambda: empty(one), "the slots are free")


def test_a_function_acts_on_whichever_env_is_ready(serve, make, gate):
    for _ in range(2):
        serve(GATED, capacity=1)

    async def main():
        envs = await asyncio.gather(*(make(GATED, limit=3) for _ in range(2)))

        async def act(index, observation):
            await asyncio.sleep(0)
            return WAIT if index == 0 else 0

        found = []
        async for index, step in aio.map(act, envs, episodes=4):
            found.append(index)
            assert step.next_observation == step.observation + 1
            if found == [1] * 9:
                gate.set()  # the other has played three runs meanwhile
        assert found == [1] * 9 + [0] * 3
        await asyncio.gather(*(env.close() for env in envs))

    run(main())


def test_a_function_acts_on_lanes_as_well(serve, broker_url):
    serve(COUNTING)

    async def main():
        envs = [await aio.make_vec(COUNTING, 2, broker_url, make_timeout=20.0, limit=3) for _ in range(2)]
        ends = 0
        async for _, step in aio.map(lambda index, observations: [0] * len(observations), envs, episodes=8, seed=1):
            assert step.reward.shape == (2,)
            ends += int(step.terminated.sum())
        assert 8 <= ends <= 10
        odd = await aio.make_vec(COUNTING, 1, broker_url, make_timeout=20.0, autoreset_mode="disabled")
        with pytest.raises(ValueError, match="in the mode DISABLED"):
            await anext(aio.map(lean, [odd]))
        await asyncio.gather(*(env.close() for env in (*envs, odd)))

    run(main())


def test_what_one_env_of_many_raises_ends_all_or_is_given_in_its_place(serve, make):
    serve(GATED)

    async def main():
        envs = await asyncio.gather(*(make(GATED, limit=3) for _ in range(3)))

        def act(index, observation):
            return RAISE if index == 1 else 0

        with pytest.raises(EnvError, match="told to"):
            async for _ in aio.map(act, envs, episodes=3):
                pass
        given = [found async for found in aio.map(act, envs, episodes=3, return_exceptions=True)]
        assert [index for index, what in given if isinstance(what, EnvError)] == [1]
        assert sorted(index for index, what in given if isinstance(what, aio.Transition)) == [0] * 3 + [2] * 3
        with pytest.raises(ZeroDivisionError):
            async for _ in aio.map(lambda index, observation: 1 // 0, envs, return_exceptions=True):
                pass
        async with contextlib.aclosing(aio.map(lambda index, observation: 0, envs)) as steps:
            async for _ in steps:
                break  # early: what was asked is left with the workers
        for env in envs:
            await env.reset()
            assert (await env.step(0))[0] == [1]
            await env.close()

    run(main())
