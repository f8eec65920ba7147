"""What a worker said last on a connection that broke is said again on the next: nothing is lost with it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.commands import eventually

COUNTING, SUM = "tests.support.envs:Counting", "tests.support.worlds:Sum"


@pytest.mark.parametrize(
    ("env_id", "isolation", "more"),
    [(COUNTING, "none", {}), (COUNTING, "process", {}), (SUM, "none", {"world": "w", "seat": "player_0"})],
    ids=["alone", "isolated", "seat"],
)
def test_a_status_that_is_lost_with_its_connection_is_said_again_on_the_next(
    serve, remote, env_id, isolation, more
):
    stepper = serve(env_id, capacity=1, isolation=isolation)._stepper
    connection, said = stepper._connection, threading.Event()
    connection.send = lambda *_, **__: said.set()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(remote(env_id, **more).open)
        assert said.wait(20)
        with stepper._turn:  # whoever sent it has finished with it
            connection.close()
        assert opening.result(60).description.env_id == env_id
    assert len(stepper.slots) == 1


def test_a_connection_that_ends_when_the_status_was_said_takes_no_episode_with_it(serve, remote):
    stepper = serve(COUNTING, capacity=1)._stepper
    connection = stepper._connection
    send = connection.send

    def last(*what, **more):
        send(*what, **more)
        connection.close()

    connection.send = last
    env = remote(COUNTING)
    assert env.reset()[0] == [0]
    assert env.step(0)[0] == [1]
    assert len(stepper.slots) == 1


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_worker_that_comes_back_again_before_the_first_request_is_still_the_agent_s(serve, remote, isolation):
    stepper = serve(COUNTING, capacity=1, isolation=isolation)._stepper
    connection, said = stepper._connection, threading.Event()
    connection.send = lambda *_, **__: said.set()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit((env := remote(COUNTING)).open)
        assert said.wait(20)
        for _ in range(3):
            with stepper._turn:
                connection = stepper._connection
                connection.close()
            eventually(lambda former=connection: stepper._connection is not former, "it has come back")
            opening.result(60)
    assert env.reset()[0] == [0]
    assert len(stepper.slots) == 1
