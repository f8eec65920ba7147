"""Threads that open episodes for an event loop: connections break, workers come and go, and nobody waits any more."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent_worker import aio_opening, aio_reader
from agent_worker.aio_wish import wish_of
from agent_worker.opening import open_episode
from broker import shared
from env_worker import service
from tests.support.commands import eventually
from tests.support.loops import empty, run

COUNTING = "tests.support.envs:Counting"


@pytest.fixture
def before_it_is_heard_of(monkeypatch):
    """``before_it_is_heard_of(do)``: calls ``do`` when the next episode is open and read for, and goes on when the loop
    has had what came of that; only then it hears of the episode."""

    def arrange(do):
        adopt, deliver, delivered = aio_reader.Reader.adopt, aio_reader.Reader._deliver, threading.Event()
        left = iter([do])

        def slowly_adopt(reader, opened):
            adopt(reader, opened)
            if (due := next(left, None)) is not None:
                delivered.clear()
                due()
                assert delivered.wait(60), "nothing came"

        def deliver_and_tell(reader):
            some = bool(reader._arrived)
            deliver(reader)
            if some:
                delivered.set()

        monkeypatch.setattr(aio_reader.Reader, "adopt", slowly_adopt)
        monkeypatch.setattr(aio_reader.Reader, "_deliver", deliver_and_tell)

    return arrange


def test_what_has_moved_moves_again_where_a_new_env_brings_the_next_connection(serve, make, broker_url, monkeypatch):
    serve(COUNTING, capacity=2)
    opened = threading.Event()

    def late(url, **options):
        assert opened.wait(60), "the other env is not open"
        return shared(url, **options)

    async def main():
        env = await make(COUNTING)
        await env.reset()
        await asyncio.to_thread(shared(broker_url, timeout_s=5.0).close)
        assert (await env.step(0))[0] == [1]
        monkeypatch.setattr(aio_reader, "shared", late)
        await asyncio.to_thread(shared(broker_url, timeout_s=5.0).close)
        other = await make(COUNTING)
        opened.set()
        assert (await env.step(0))[0] == [2]
        assert (await other.reset())[0] == [0]
        await asyncio.gather(env.close(), other.close())

    run(main())


def test_a_worker_that_comes_back_before_the_loop_has_heard_of_the_env_is_known(serve, make, before_it_is_heard_of):
    one = serve(COUNTING)

    def lose_the_connection():
        with one._stepper._turn:
            pass  # it has done all that opening the episode takes
        one._stepper._connection.close()

    before_it_is_heard_of(lose_the_connection)

    async def main():
        env = await make(COUNTING)
        assert not env._episode.reader.unclaimed
        assert (await env.reset())[0] == [0]
        assert (await env.step(0))[0] == [1]
        await env.close()

    run(main())


def test_a_next_worker_that_is_drained_before_the_loop_has_heard_of_it_is_followed(serve, make, before_it_is_heard_of):
    async def main():
        one = serve(COUNTING)
        env = await make(COUNTING, on_worker_loss="replay", resume_window=0.0)
        await env.reset(seed=1)
        await asyncio.to_thread(one.stop)
        two = await asyncio.to_thread(serve, COUNTING)
        before_it_is_heard_of(two.stop)
        step = asyncio.ensure_future(env.step(0))
        await asyncio.to_thread(two._thread.join, 60)
        await asyncio.to_thread(serve, COUNTING)
        assert (await step)[0] == [1]
        assert (await env.step(0))[0] == [2]
        await env.close()

    run(main())


def test_what_nobody_wants_is_closed_by_the_name_that_its_worker_has_by_then(
    serve, broker_url, before_it_is_heard_of, monkeypatch
):
    monkeypatch.setattr(service, "backoff", lambda _: 4 * aio_reader.LOOK_S)  # read for as long as that takes
    one = serve(COUNTING, capacity=1, resume_window=600.0)

    async def main():
        loop = asyncio.get_running_loop()
        unwanted = asyncio.ensure_future(
            aio_opening.open_by(wish_of(COUNTING, broker_url, {}), lambda wish, _: open_episode(wish))
        )

        def give_it_up():
            loop.call_soon_threadsafe(unwanted.cancel)
            with one._stepper._turn:  # it has said all
                connection = one._stepper._connection
            connection.close()

        before_it_is_heard_of(give_it_up)
        await asyncio.gather(unwanted, return_exceptions=True)
        assert unwanted.cancelled()
        await asyncio.to_thread(eventually, lambda: empty(one), "the slot is free")

    run(main())


def test_an_episode_that_cannot_be_read_for_is_closed(serve, make, monkeypatch):
    one = serve(COUNTING, capacity=1, resume_window=600.0)

    def adopt(reader, opened):
        raise MemoryError("no room for a thread")

    async def main():
        with monkeypatch.context() as patched:
            patched.setattr(aio_reader.Reader, "adopt", adopt)
            with pytest.raises(MemoryError, match="no room for a thread"):
                await make(COUNTING)
        await asyncio.to_thread(eventually, lambda: empty(one), "the slot is free")
        env = await make(COUNTING)
        assert (await env.reset())[0] == [0]
        await env.close()

    run(main())


def test_a_late_opening_that_nobody_wants_does_not_hide_the_others_from_the_exit(serve, make, broker_url):
    one = serve(COUNTING, capacity=2)
    begun, go = threading.Event(), threading.Event()

    def late(wish, given_up):
        """As if it were given up when ``open_episode`` has looked for the last time."""
        begun.set()
        assert go.wait(60), "the test never said go"
        return open_episode(wish)

    def running(what):
        return sum(thread.name == f"agent worker aio {what}" for thread in threading.enumerate())

    async def main():
        unwanted = asyncio.ensure_future(aio_opening.open_by(wish_of(COUNTING, broker_url, {}), late))
        await asyncio.to_thread(begun.wait, 60)
        unwanted.cancel()
        await asyncio.gather(unwanted, return_exceptions=True)
        env = await make(COUNTING)
        await env.reset()
        go.set()
        await asyncio.to_thread(eventually, lambda: not running("opening"), "the late one has been opened")
        await asyncio.to_thread(eventually, lambda: running("reader") == 1, "its reader has ended")
        aio_reader._close_all()
        await asyncio.to_thread(eventually, lambda: empty(one), "the slots are free")
        await env.close()

    run(main())
