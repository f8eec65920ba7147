"""What goes wrong in an event loop: cancellation, time-outs, lost workers, broken connections, loops that end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from agent_worker import aio, aio_opening
from agent_worker.errors import (
    AlreadyPending,
    BadKwargs,
    EnvClosed,
    InvalidAction,
    InvalidArgument,
    NoFreeWorker,
    NothingPending,
    NotReset,
    StepTimeout,
    WorkerLost,
)
from broker import shared
from broker.errors import BrokerUnreachable
from broker.port import Arrival, Kind
from tests.support.commands import ROOT, environment, eventually, worker
from tests.support.loops import empty, run
from tests.support.paced import GATED, WAIT, Gated
from tools.rabbit import Rabbit

COUNTING = "tests.support.envs:Counting"


def test_a_step_that_is_cancelled_is_not_lost_and_not_taken_twice(serve, make, gate):
    serve(GATED)

    async def main():
        env = await make(GATED, render_mode="rgb_array")
        await env.reset()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(env.step(WAIT), 0.3)
        for ask in (lambda: env.step(0), env.render):
            with pytest.raises(AlreadyPending, match="has no reply: wait, reset or close"):
                await ask()
        gate.set()
        assert (await env.wait())[0] == [1]
        with pytest.raises(NothingPending):
            await env.wait()
        assert (await env.step(0))[0] == [2]
        await env.close()

    run(main())


def test_a_reply_that_came_for_a_cancelled_step_is_kept_until_somebody_takes_it(serve, make, gate):
    serve(GATED)

    async def main():
        env = await make(GATED)
        await env.reset()
        step = asyncio.ensure_future(env.step(WAIT))
        await asyncio.to_thread(Gated.waiting.acquire)
        step.cancel()
        gate.set()
        while env._episode.pending is not None:
            await asyncio.sleep(0.01)
        with pytest.raises(AlreadyPending, match="take it by wait"):
            await env.step(0)
        assert (await env.wait())[0] == [1]
        await env.close()

    run(main())


@pytest.mark.parametrize("next_", ["reset", "close"])
def test_after_a_cancelled_step_reset_and_close_are_legal(serve, make, gate, next_):
    one = serve(GATED, capacity=1)

    async def main():
        env = await make(GATED)
        await env.reset()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(env.step(WAIT), 0.3)
        gate.set()
        if next_ == "reset":
            assert (await env.reset())[0] == [0]
            assert (await env.step(0))[0] == [1]
        await env.close()

    run(main())
    eventually(lambda: empty(one), "the slot is free")


def test_one_coroutine_at_a_time_waits_on_an_env(serve, make, gate):
    serve(GATED)

    async def main():
        env = await make(GATED)
        await env.reset()
        first = asyncio.ensure_future(env.step(WAIT))
        await asyncio.to_thread(Gated.waiting.acquire)
        for ask in (env.reset, lambda: env.step(0), env.wait):
            with pytest.raises(AlreadyPending):
                await ask()
        gate.set()
        assert (await first)[0] == [1]
        await env.close()

    run(main())


def test_closing_ends_who_waits_with_a_named_error(serve, make, gate):
    serve(GATED)

    async def main():
        env = await make(GATED)
        await env.reset()
        step = asyncio.ensure_future(env.step(WAIT))
        await asyncio.to_thread(Gated.waiting.acquire)
        closing = asyncio.gather(env.close(), env.close())
        with pytest.raises(EnvClosed, match="closed while a coroutine waited"):
            await step
        gate.set()
        await closing

    run(main())


def test_a_connection_that_breaks_while_an_env_is_closed_ends_that_without_harm_to_others(serve, make, broker_url):
    serve(COUNTING)

    async def main():
        env = await make(COUNTING)
        episode = env._episode
        closing = asyncio.ensure_future(env.close())
        await asyncio.sleep(0)
        shared(broker_url, timeout_s=5.0).close()
        episode.take(Arrival(Kind.RETURNED, episode.token, b"", episode._key))
        await closing

    run(main())


def test_a_step_that_is_overdue_can_be_waited_for(serve, make, gate):
    serve(GATED)

    async def main():
        env = await make(GATED)
        await env.reset()
        env.step_timeout = 0.3
        for wait in (lambda: env.step(WAIT), lambda: env.wait(0.3)):
            with pytest.raises(StepTimeout, match="waited .* for the reply to act"):
                await wait()
        gate.set()
        assert (await env.wait(20.0))[0] == [1]
        await env.close()

    run(main())


def test_bad_input_is_refused_and_the_episode_goes_on(serve, make):
    serve(COUNTING)

    async def main():
        env = await make(COUNTING)
        with pytest.raises(NotReset):
            await env.step(0)
        await env.reset()
        with pytest.raises(InvalidAction, match="action"):
            await env.step(3)
        with pytest.raises(InvalidArgument, match="options: a"):
            await env.reset(options={"a": object()})
        with pytest.raises(BadKwargs):
            await make(COUNTING, nonsense=1)
        with pytest.raises(ValueError, match="render_mode"):
            await make(COUNTING, render_mode="human")
        with pytest.raises(InvalidArgument, match="step_timeout: expected seconds"):
            await make(COUNTING, step_timeout=None)
        with pytest.raises(TypeError):
            await env.reset(seed=0.5)
        assert (await env.step(0))[0] == [1]
        await env.close()

    run(main())


def test_an_env_belongs_to_the_loop_in_which_it_was_made(serve, make):
    serve(COUNTING, capacity=8)
    envs = []

    def play():
        async def main():
            env = await make(COUNTING)
            await env.reset()
            for turn in range(1, 50):
                assert (await env.step(0))[0] == [turn]
            envs.append(env)
            await env.close()

        run(main())

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(envs) == 4

    async def elsewhere():
        with pytest.raises(RuntimeError, match="belongs to another event loop"):
            await envs[0].step(0)
        await envs[0].close()  # it is closed already

    run(elsewhere())


def test_connections_that_break_are_resumed_by_all_without_stepping_twice(serve, make, broker_url, gate):
    serve(GATED, capacity=32)

    async def main():
        envs = await asyncio.gather(*(make(GATED) for _ in range(20)))
        await asyncio.gather(*(env.reset() for env in envs))
        for turn in range(1, 5):
            await asyncio.to_thread(shared(broker_url, timeout_s=5.0).close)
            results = await asyncio.gather(*(env.step(0) for env in envs))
            assert [result[0][0] for result in results] == [turn] * 20
        waiting = asyncio.ensure_future(envs[0].step(WAIT))
        await asyncio.to_thread(Gated.waiting.acquire)
        await asyncio.to_thread(shared(broker_url, timeout_s=5.0).close)
        gate.set()
        assert (await waiting)[0] == [5]
        await asyncio.gather(*(env.close() for env in envs))

    run(main())


def test_a_worker_that_is_killed_is_lost_to_who_waits_on_it_only(rabbit, tmp_path):
    async def main():
        options = {"make_timeout": 30.0, "step_timeout": 60.0, "resume_window": 0.5}
        envs = await asyncio.gather(*(aio.make(COUNTING, rabbit.url, **options) for _ in range(2)))
        for env in envs:
            await env.reset()
        lost, kept = envs
        os.kill(int(lost.description.worker.rpartition("/")[2]), signal.SIGKILL)
        step = asyncio.ensure_future(lost.step(0))
        turn = 0
        while not step.done():
            turn += 1
            assert (await kept.step(0))[0] == [turn]
        with pytest.raises(WorkerLost, match="its env is lost"):
            await step
        with pytest.raises(EnvClosed, match="its env is lost"):
            await lost.step(0)
        for env in envs:
            await env.close()

    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1", processes=2):
        run(main())


def test_a_broker_that_is_gone_is_a_named_error_and_when_it_is_back_all_goes_on(tmp_path):
    async def main(node):
        options = {"make_timeout": 30.0, "reconnect_timeout": 3.0}
        env = await aio.make(COUNTING, node.url, **options)
        await env.reset()
        await asyncio.to_thread(node.stop)
        with pytest.raises(BrokerUnreachable):
            await env.step(0)
        await asyncio.to_thread(node.start)
        assert (await env.wait(60.0))[0] == [1]
        assert (await env.step(0))[0] == [2]
        await env.close()

    with Rabbit() as node, worker(node.url, tmp_path / "log", COUNTING):
        run(main(node))


def test_makes_that_stand_in_line_keep_nobody_from_stepping_and_closing(serve, make, monkeypatch):
    monkeypatch.setattr(aio_opening, "THREADS", 2)
    serve(COUNTING, capacity=1)

    async def main():
        env = await make(COUNTING)
        await env.reset()
        standing = [asyncio.ensure_future(make(COUNTING)) for _ in range(5)]
        for turn in range(1, 20):
            assert (await env.step(0))[0] == [turn]
        with pytest.raises(NoFreeWorker, match="2 others of this program stand in line before it"):
            await make(COUNTING, make_timeout=0.3)
        for _ in range(5):
            await env.close()
            done, rest = await asyncio.wait(standing, return_when=asyncio.FIRST_COMPLETED)
            standing, env = list(rest), done.pop().result()
            await env.reset()
        await env.close()

    run(main())


def test_a_make_that_is_cancelled_leaves_no_episode_behind(serve, make, gate):
    slow = serve(GATED, capacity=1, env_kwargs={"slow": True})

    async def main():
        making = asyncio.ensure_future(make(GATED))
        await asyncio.to_thread(Gated.waiting.acquire)
        in_line = asyncio.ensure_future(make(GATED))
        await asyncio.sleep(0)
        for task in (making, in_line):
            task.cancel()
        outcomes = await asyncio.gather(making, in_line, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
        gate.set()
        await asyncio.to_thread(eventually, lambda: empty(slow), "the slot is free")
        async with await make(GATED) as env:
            await env.reset()

    run(main())


def test_a_loop_that_is_closed_with_envs_open_frees_their_slots(serve, make):
    one = serve(COUNTING, capacity=8)
    kept = []

    async def main():
        kept.extend(await asyncio.gather(*(make(COUNTING) for _ in range(4))))
        for env in kept:
            await env.reset()
        kept.append(asyncio.ensure_future(kept[0].step(0)))

    asyncio.run(main(), debug=True)
    eventually(lambda: empty(one), "the slots are free")
    eventually(lambda: kept[0]._episode.ended, "our side has ended, too")
    run(kept[0].close())


def test_an_episode_that_is_open_when_its_loop_has_run_for_the_last_time_is_ended(serve, make):
    """The loop takes note of it, and is closed before it can tell the coroutine."""
    one = serve(COUNTING)
    loop = asyncio.new_event_loop()
    told = threading.Event()

    def note(callback, *arguments, context=None):
        told.set()

    async def main():
        opening = asyncio.ensure_future(make(COUNTING))
        await asyncio.sleep(0)  # it has begun
        loop.call_soon_threadsafe = note
        while not told.is_set():
            await asyncio.sleep(0.01)
        return opening

    opening = loop.run_until_complete(main())
    opening._log_destroy_pending = False
    assert len(one._stepper.slots) == 1
    loop.close()
    eventually(lambda: empty(one), "the slot is free")


def test_an_env_that_is_dropped_without_close_frees_its_slot(serve, make):
    one = serve(COUNTING, capacity=8)

    async def main():
        kept = await make(COUNTING)
        await kept.reset()
        await (await make(COUNTING)).reset()
        gc.collect()
        await asyncio.to_thread(eventually, lambda: len(one._stepper.slots) == 1, "the dropped one is closed")
        assert (await kept.step(0))[0] == [1]
        await kept.close()

    run(main())
    eventually(lambda: empty(one), "the slot is free")


def test_a_program_that_ends_in_the_middle_frees_its_slots_without_a_word(rabbit, tmp_path):
    code = f"""
import asyncio
from gymbroker import aio

async def main():
    global env
    env = await aio.make({COUNTING!r}, {rabbit.url!r}, make_timeout=30.0)
    await env.reset()
    raise SystemExit(7)

asyncio.run(main())
"""
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1"):
        for _ in range(2):
            command = [sys.executable, "-W", "error", "-c", code]
            done = subprocess.run(
                command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
            )
            assert (done.returncode, done.stderr) == (7, "")


def test_a_loop_that_stands_still_for_a_while_loses_nothing(serve, make):
    serve(COUNTING)
    loop = asyncio.new_event_loop()
    env = loop.run_until_complete(make(COUNTING))
    loop.run_until_complete(env.reset())
    step = loop.create_task(env.step(0))
    loop.run_until_complete(asyncio.sleep(0))
    started = time.monotonic()
    eventually(lambda: time.monotonic() > started + 0.6, "the loop stood still for longer than a look")
    assert loop.run_until_complete(step)[0] == [1]
    loop.run_until_complete(env.close())
    loop.close()
