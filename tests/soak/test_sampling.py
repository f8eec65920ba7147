"""What a sample of the broker is: nothing is read of one that has just begun."""

from __future__ import annotations

import os

from tests.soak.sampling import ASK_BROKER_EVERY, FILLING_S, Samples


def test_a_broker_that_is_filling_is_not_asked():
    samples, answers = Samples(), iter([100, 200, 300])
    broker = {"broker": [os.getpid()]}
    ages = [*[1e9] * ASK_BROKER_EVERY, *[FILLING_S] * ASK_BROKER_EVERY, *[1e9] * ASK_BROKER_EVERY]
    for number, age in enumerate(ages):
        assert samples.look(5.0 * number, broker, lambda: next(answers), age) == []
    assert samples.bytes["broker"] == [100.0] * 2 * ASK_BROKER_EVERY + [200.0] * ASK_BROKER_EVERY


def test_a_process_that_became_another_is_told_but_not_the_broker():
    samples = Samples()
    samples.look(0.0, {"agents": [os.getpid()], "broker": [os.getpid()]}, lambda: 1, 0.0)
    found = samples.look(5.0, {"agents": [os.getppid()], "broker": [os.getppid()]}, lambda: 1, 0.0)
    assert found == [f"agents: processes [{os.getpid()}] became [{os.getppid()}], and nobody had killed one"]
