"""The harness with real processes: it measures what it is told to, and leaves nothing behind."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys

import pytest

from bench import broker, lockstep, processes, stage
from bench.processes import BenchFailed, Program, cpu_seconds, descendants, written_bytes
from bench.programs import loop
from bench.rounds import play
from bench.rows import Group, Row
from bench.stage import House
from tests.support.commands import eventually
from tests.support.processes import gone

ORDER = {"steps": 50}


def group(*rows):
    return Group("test", "a test", "p50_us", "us", rows[0].name, rows, (1.0, 1.0))


@pytest.fixture
def program(tmp_path):
    def start(code, *, obeys=True):
        log = tmp_path / f"{secrets.token_hex(4)}.log"
        started.append(Program("program", [sys.executable, "-c", code], log, dict(os.environ), obeys=obeys))
        return started[-1]

    started: list[Program] = []
    yield start
    for one in started:
        one.stop()


def test_a_loop_takes_as_many_steps_as_it_is_told_and_resets_between_runs():
    seen = []

    def step(action):
        seen.append(action)
        return len(seen) % 10 == 0

    found = loop.measure(step, lambda: seen.append("reset"), [1, 2, 3], steps=25, seconds=None)
    assert (found["steps"], found["resets"]) == (25, 2)
    assert [one for one in seen if one != "reset"][:5] == [1, 2, 3, 1, 2]
    assert found["p50_us"] <= found["p99_us"] <= found["p100_us"]


def test_a_loop_that_is_told_seconds_ends():
    assert loop.measure(lambda action: False, lambda: None, [0], steps=None, seconds=0.01)["steps"] > 0


def test_quantiles_are_what_so_many_percent_do_not_exceed():
    found = loop.quantiles([number / 1e6 for number in range(101)])
    assert [round(found[name], 6) for name in ("p50_us", "p90_us", "p99_us", "p100_us")] == [50, 90, 99, 100]


def test_a_row_has_a_turn_in_each_round_and_its_processes_end_with_it():
    rows = [Row(name, "", lambda stage: stage.agent("local_agent", "CartPole-v1"), ORDER) for name in ("raw", "one")]
    pids = []

    def watching(stage):
        pids.append(stage.agent("local_agent", "CartPole-v1").pid)

    rows.append(Row("watched", "", watching, ORDER))
    told = []
    with House() as house:
        found = play(house, group(*rows), rows, rounds=2, scale=1.0, tell=told.append)
    assert [len(outcome.turns) for outcome in found.values()] == [2, 2, 2]
    assert {turn.steps for outcome in found.values() for turn in outcome.turns} == {50}
    assert [text.split()[-1] for text in told] == ["raw", "one", "watched", "one", "watched", "raw"]
    assert len(set(pids)) == 2
    assert gone(*pids)


def test_a_row_that_fails_says_why_and_the_others_go_on():
    rows = [
        Row("raw", "", lambda stage: stage.agent("local_agent", "CartPole-v1"), ORDER),
        Row("broken", "", lambda stage: stage.agent("no_such_program"), ORDER),
    ]
    with House() as house:
        found = play(house, group(*rows), rows, rounds=2, scale=1.0, tell=lambda text: None)
    assert "no_such_program" in found["broken"].failure
    assert found["broken"].turns == [None, None]
    assert None not in found["raw"].turns


def test_a_program_that_ends_too_soon_shows_its_last_words(program):
    one = program("raise SystemExit('the reason')")
    with pytest.raises(BenchFailed, match="the reason"):
        one.hear()


def test_stopping_a_program_ends_its_children(program):
    one = program("import subprocess, json, sys; c = subprocess.Popen(['sleep', '600']); "
                  "print(json.dumps({'child': c.pid}), flush=True); sys.stdin.read()")  # fmt: skip
    child = one.hear()["child"]
    assert descendants(one.pid) == [child]
    assert written_bytes([one.pid]) > 1_000_000
    assert cpu_seconds([one.pid]) > 0
    one.stop()
    eventually(lambda: gone(child, one.pid), "both have ended")


def test_a_server_that_ignores_sigterm_is_killed(program, monkeypatch):
    monkeypatch.setattr(processes, "STOP_S", 0.2)
    one = program("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True)\n"
                  "while True: time.sleep(1)", obeys=False)  # fmt: skip
    one.hear()
    one.stop()
    eventually(lambda: gone(one.pid), "it has ended")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_benchmark_however_it_ends(number, tmp_path):
    command = [sys.executable, "-m", "bench", "--only", "lockstep/local", "--rounds", "1000"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    reset = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    bench = subprocess.Popen(command, cwd=processes.ROOT, env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True, **reset)  # fmt: skip
    try:
        children = eventually(lambda: descendants(bench.pid), "it has started an agent")
        bench.send_signal(number)
        _, error = bench.communicate(timeout=60)
        assert bench.returncode == (-number if number == signal.SIGKILL else 128 + number), error
        eventually(lambda: gone(*children), "its agents have ended")
        assert number == signal.SIGKILL or list(tmp_path.iterdir()) == []
    finally:
        bench.kill()
        bench.wait()


def test_the_ends_of_raw_compute_for_as_long_as_they_are_told():
    rows = [Row("raw", "", lockstep.echo("raw_echo", ways=["busy=1500"]), ORDER)]
    with House() as house:
        (outcome,) = play(house, group(*rows), rows, rounds=1, scale=1.0, tell=lambda text: None).values()
    assert outcome.failure == ""
    assert outcome.turns[0].p50_us >= 2 * 1500


def test_the_broker_of_the_benchmark_has_the_settings_that_compose_ships():
    assert "+sbwt" in broker.shipped_erl_args()
    assert "@FOLDER@/definitions.json" in broker.shipped_config()
    assert "heartbeat = 10" in broker.shipped_config()
    assert "PASSWORD" not in broker.shipped_definitions()


def test_a_tuned_broker_differs_in_what_it_names_and_in_nothing_else():
    tuning = broker.Tuning(config=(("heartbeat", "0"), ("frame_max", "4096")))
    shipped, found = broker.shipped_config(), broker.tuned(broker.shipped_config(), tuning)
    lines = lambda text: {line for line in text.splitlines() if line and not line.startswith("#")}
    assert lines(shipped) - lines(found) == {"heartbeat = 10"}
    assert lines(found) - lines(shipped) == {"heartbeat = 0", "frame_max = 4096"}
    assert broker.tuned(shipped, broker.SHIPPED) == shipped


def test_only_the_broker_that_is_talked_to_is_awake(monkeypatch):
    seen = {}

    class Fake:
        def __init__(self, tuning):
            self.name = tuning.copy or "shipped"

        def __enter__(self):
            self.go_on()
            return self

        def __exit__(self, *_):
            del seen[self.name]

        def pause(self):
            seen[self.name] = "paused"

        def go_on(self):
            seen[self.name] = "awake"

    monkeypatch.setattr(stage, "Broker", Fake)
    one, two = broker.Tuning(copy="one"), broker.Tuning(copy="two")
    with House() as house:
        for tuning in (one, two, one):
            with house.stage() as here:
                here.tune(tuning)
                assert here.broker.name == tuning.copy
                awake = [name for name, state in seen.items() if state == "awake"]
                assert awake == [tuning.copy]
        with house.stage() as here:
            assert here.broker.name == "shipped"
            assert seen == {"one": "paused", "two": "paused", "shipped": "awake"}
    assert seen == {}
