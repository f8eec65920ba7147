"""Where the time goes: the boundaries between layers are where the benchmark believes them to be."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

from bench import profile
from bench.processes import ROOT
from bench.programs import boundaries
from bench.programs.boundaries import AGENT, AMQP, DIALOGUE, ENV, LAYERS, READ, SHELL, VALUES, WAIT, WORKER, Book
from tests.support.commands import environment


@pytest.mark.parametrize(("place", "layer"), [*AGENT, *AMQP, *WORKER])
def test_a_boundary_is_a_method_that_its_class_defines(place, layer):
    module, _, path = place.partition(":")
    owner, _, method = path.partition(".")
    assert callable(getattr(importlib.import_module(module), owner).__dict__[method])
    assert layer in LAYERS


def test_every_layer_of_a_step_is_seen(broker_url, serve):
    arguments = ["CartPole-v1", broker_url, "20", "50"]
    if broker_url.startswith("amqp"):
        serve("CartPole-v1")
    command = [sys.executable, "-m", "bench.programs.profiled_agent", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert found["steps"] == 50
    inline = {VALUES, DIALOGUE, SHELL, ENV}
    over_amqp = set(LAYERS) - {ENV}
    assert set(found["layers"]) == (over_amqp if broker_url.startswith("amqp") else inline)


def test_the_time_of_an_inner_call_is_not_that_of_the_outer_one(monkeypatch):
    clock = [0]
    monkeypatch.setattr(boundaries, "perf_counter_ns", lambda: clock[0])

    def take(microseconds):
        clock[0] += 1000 * microseconds

    book = Book()
    inner = book.wrap(READ, lambda: take(20))

    def both():
        take(3)
        inner()

    book.wrap(WAIT, both)()
    assert book.microseconds(steps=1) == {READ: 20, WAIT: 3}


def test_a_worker_counts_what_came_between_the_first_and_the_last_of_its_steps(tmp_path):
    file = tmp_path / "layers.json"
    code = (
        "import gymbroker, bench.programs.profiled_worker\n"
        "env = gymbroker.make('CartPole-v1', 'memory://')\nenv.reset()\n"
        "for _ in range(60):\n    if any(env.step(0)[2:4]): env.reset()\nenv.close()"
    )
    variables = {**environment(), "GYMBROKER_BENCH_PROFILE": f"{file}:10:50"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, timeout=60, check=True)
    assert json.loads(file.read_text()).keys() == {VALUES, DIALOGUE, SHELL, ENV}


def test_what_is_wrapped_gives_and_raises_what_it_did():
    book = Book()
    assert book.wrap(READ, divmod)(7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        book.wrap(READ, divmod)(1, 0)
    book.clear()
    assert book.microseconds(steps=1) == {}


def test_the_same_step_is_timed_after_each_rest():
    command = [sys.executable, "-m", "bench.programs.rested_agent", "30"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, input="", timeout=60, check=True)
    found = profile._rest_cells([json.loads(done.stdout)])
    assert [line[0] for line in found[1:]] == ["none", "spinning", "sleeping"]
    assert found[1][2] == "1.00"
