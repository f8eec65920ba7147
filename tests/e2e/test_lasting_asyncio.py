"""Envs of an event loop whose workers are lost: replayed or truncated, while the others go on, over both transports."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import gymnasium
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from agent_worker import aio
from agent_worker.errors import (
    AlreadyPending,
    EnvClosed,
    InvalidArgument,
    NoFreeWorker,
    NotReset,
    ReplayDiverged,
    StepTimeout,
    WorkerLost,
)
from env_worker import Allowed
from tests.support.commands import eventually
from tests.support.equal import identical
from tests.support.loops import empty, run
from tests.support.losing import ADJUSTABLE, DRIFTING, vanish
from tests.support.paced import GATED, TELLING, WAIT, Telling

CARTPOLE, COUNTING = "CartPole-v1", "tests.support.envs:Counting"
REPLAY = {"on_worker_loss": "replay", "resume_window": 0.0}
TRUNCATE = {"on_worker_loss": "truncate", "resume_window": 0.0}
ALLOWED = Allowed(call=("push",), get=("gain", "count"), set=("gain",))


@pytest.fixture
def make_vec(broker_url):
    """``await make_vec(TELLING, 6)`` at the broker of the test."""

    def start(env_id, num_envs, **kwargs):
        return aio.make_vec(env_id, num_envs, broker_url, **{"make_timeout": 20.0, "step_timeout": 20.0, **kwargs})

    return start


def test_a_run_whose_workers_are_lost_is_that_of_an_undisturbed_local_env(serve, make):
    async def main():
        one, local = serve(CARTPOLE), gymnasium.make(CARTPOLE)
        async with await make(CARTPOLE, **REPLAY) as env:
            assert identical((await env.reset(seed=3))[0], local.reset(seed=3)[0])
            for turn in range(60):
                if turn % 16 == 9:
                    vanish(one)
                ours, theirs = await env.step(turn % 2), local.step(turn % 2)
                assert identical((ours[0], ours[2:4]), (theirs[0], theirs[2:4]))
                if ours[2]:
                    assert identical((await env.reset())[0], local.reset()[0])
        eventually(lambda: empty(one), "the slot is free")

    run(main())


def test_nothing_is_kept_of_a_worker_that_was_drained(serve, make):
    async def main():
        one = serve(COUNTING)
        async with await make(COUNTING, **REPLAY) as env:
            await env.reset(seed=3)
            former = env._episode._episode
            await asyncio.to_thread(one.stop)
            serve(COUNTING)
            assert (await env.step(0))[0] == [1]
            assert former._inbox is None, "its queue at the broker is gone"

    run(main())


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_lanes_are_those_of_a_sync_vector_env_whoever_is_lost(serve, make, make_vec, mode):
    async def main():
        workers = [serve(TELLING, capacity=1) for _ in range(2)]
        theirs = SyncVectorEnv([Telling] * 4, autoreset_mode=mode)
        theirs.action_space.seed(1)
        async with await make_vec(TELLING, 4, episodes=2, autoreset_mode=mode, **REPLAY) as ours:
            assert identical(await ours.reset(seed=5), theirs.reset(seed=5))
            for turn in range(20):
                if turn % 10 == 7:
                    vanish(workers[turn // 10])
                actions = theirs.action_space.sample()
                results = theirs.step(actions)
                assert identical(await ours.step(actions), results)
                ended = results[2] | results[3]
                if mode is AutoresetMode.DISABLED and ended.any():
                    options = {"reset_mask": ended}
                    assert identical(await ours.reset(options=dict(options)), theirs.reset(options=dict(options)))

    run(main())


def test_a_truncated_run_ends_and_the_next_reset_begins_elsewhere(serve, make):
    async def main():
        one = serve(ADJUSTABLE, allowed=ALLOWED)
        async with await make(ADJUSTABLE, render_mode="ansi", **TRUNCATE) as env:
            await env.reset()
            await env.step(1)
            vanish(one)
            with pytest.raises(WorkerLost):
                await env.render()
            observation, reward, terminated, truncated, info = await env.step(1)
            assert (observation.tolist(), reward, terminated, truncated, list(info)) == (
                [1], 0.0, False, True, ["worker_lost"],
            )  # fmt: skip
            with pytest.raises(NotReset):
                await env.step(1)
            assert (await env.reset(seed=7))[1]["seed"] == 7
            one.stop()  # while nothing is asked
            serve(ADJUSTABLE)
            assert (await env.step(1))[3]

    run(main())


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_only_the_lost_lanes_are_truncated(serve, make, make_vec, mode):
    async def main():
        workers = [serve(COUNTING, capacity=1) for _ in range(2)]
        async with await make_vec(COUNTING, 4, episodes=2, autoreset_mode=mode, **TRUNCATE) as env:
            await env.reset(seed=1)
            await env.step([1] * 4)
            vanish(workers[0])
            observations, _, _, truncated, _ = await env.step([1] * 4)
            lost = (0, 1) if mode is AutoresetMode.SAME_STEP else (1, 2)
            expected = [lost[0] if one else 2 for one in truncated]
            assert (sorted(truncated.tolist()), observations.ravel().tolist()) == ([False] * 2 + [True] * 2, expected)
            if mode is AutoresetMode.DISABLED:
                await env.reset(options={"reset_mask": truncated})
            if mode is AutoresetMode.NEXT_STEP:
                await env.step([1] * 4)
            observations = (await env.step([1] * 4))[0]
            assert {one for one, cut in zip(observations.ravel().tolist(), truncated, strict=True) if cut} == {1}

    run(main())


def test_while_another_worker_is_looked_for_the_loop_runs_and_the_wait_may_be_left(serve, make):
    async def main():
        one, other = serve(COUNTING, capacity=1), serve(CARTPOLE)
        async with await make(COUNTING, **REPLAY) as env, await make(CARTPOLE) as beside:
            await env.reset(seed=1)
            await env.step(0)
            await asyncio.to_thread(one.stop)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(env.step(0), 0.5)
            with pytest.raises(AlreadyPending):
                await env.step(0)
            with pytest.raises(StepTimeout, match="another one is looked for since"):
                await env.wait(0.1)
            await beside.reset()
            await beside.step(0)
            await asyncio.to_thread(serve, COUNTING)
            assert (await env.wait())[0] == [2]
            assert (await env.step(0))[0] == [3]
            assert not other._stepper.draining

    run(main())


def test_a_reset_overtakes_a_step_that_is_overdue(serve, make, gate):
    async def main():
        serve(GATED)
        async with await make(GATED, **REPLAY) as env:
            await env.reset(seed=1)
            env.step_timeout = 0.3
            with pytest.raises(StepTimeout):
                await env.step(WAIT)
            env.step_timeout = 20.0
            gate.set()
            assert (await env.reset(seed=2))[0] == [0]
            assert (await env.step(0))[0] == [1]

    run(main())


def test_a_reset_overtakes_the_search_and_a_close_ends_it(serve, make):
    async def main():
        one = serve(COUNTING, capacity=1)
        env = await make(COUNTING, **REPLAY)
        await env.reset(seed=1)
        await asyncio.to_thread(one.stop)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(env.step(0), 0.3)
        other = await asyncio.to_thread(serve, COUNTING)
        assert (await env.reset(seed=9))[1]["seed"] == 9
        assert (await env.step(0))[0] == [1]
        await asyncio.to_thread(other.stop)
        step = asyncio.ensure_future(env.step(0))
        while env._episode._survival.lost is None:
            await asyncio.sleep(0.01)
        await env.close()
        with pytest.raises(EnvClosed):
            await step

    run(main())


def test_where_nobody_serves_any_more_it_is_said(serve, make, patience):
    async def main():
        one = serve(COUNTING)
        replayed = await make(COUNTING, **{**REPLAY, "make_timeout": patience})
        truncated = await make(COUNTING, **{**TRUNCATE, "make_timeout": patience})
        for env in (replayed, truncated):
            await env.reset(seed=1)
        await asyncio.to_thread(one.stop)
        with pytest.raises(WorkerLost, match="could not be replayed: .*no worker took the request"):
            await replayed.step(0)
        with pytest.raises(EnvClosed, match="could not be replayed"):
            await replayed.step(0)
        assert (await truncated.step(0))[3]
        with pytest.raises(NoFreeWorker):
            await truncated.reset()
        await asyncio.to_thread(serve, COUNTING)
        assert (await truncated.reset())[0] == [0]
        for env in (replayed, truncated):
            await env.close()

    run(main())


def test_an_env_that_does_not_repeat_itself_is_named(serve, make):
    async def main():
        one = serve(DRIFTING)
        async with await make(DRIFTING, at=2, **REPLAY) as env:
            await env.reset(seed=1)
            for _ in range(3):
                await env.step(0)
            vanish(one)
            with pytest.raises(ReplayDiverged, match="step 2 after"):
                await env.step(0)
        while not empty(one):  # the other worker's, too
            await asyncio.sleep(0.01)

    run(main())


def test_map_plays_on(serve, make):
    async def main():
        one = serve(COUNTING)
        envs = [await make(COUNTING, limit=10, **REPLAY) for _ in range(3)]
        steps = 0
        async with contextlib.aclosing(aio.map(lambda _, __: 1, envs, episodes=6, seed=1)) as transitions:
            async for _, transition in transitions:
                steps += 1
                assert transition.reward == 1.0
                if steps % 20 == 0:
                    vanish(one)
        assert steps == 60
        await asyncio.gather(*(env.close() for env in envs))

    run(main())


def test_an_env_that_is_dropped_frees_its_slot(serve, make):
    async def main():
        one = serve(COUNTING)
        env = await make(COUNTING, **REPLAY)
        await env.reset(seed=1)
        vanish(one)
        await env.step(0)
        del env
        gc.collect()
        while not empty(one):
            await asyncio.sleep(0.01)

    run(main())


def test_what_makes_no_sense_is_refused_before_anything_is_sent():
    async def main():
        with pytest.raises(InvalidArgument, match="on_worker_loss: expected one of"):
            await aio.make(COUNTING, "amqp://127.0.0.1:1/", on_worker_loss="again")
        with pytest.raises(InvalidArgument, match="replay_limit"):
            await aio.make_vec(COUNTING, 2, "amqp://127.0.0.1:1/", replay_limit=-1)

    run(main())
