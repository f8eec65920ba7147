"""Progress is shown now and then and never between a request and its reply; the table says what was measured."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from agent_worker.report import BAR_EVERY_S, LINE_EVERY_S, Tally, progress, summary_table
from agent_worker.rollout import Summary

SUMMARY = Summary(
    env_id="CartPole-v1",
    returns=np.array([10.0, 30.0]),
    lengths=np.array([10, 30]),
    rewards=np.ones(1_234),
    rtt_ns=np.full(1_234, 300_400),
    seconds=0.5,
)
ENDLESS = dataclasses.replace(SUMMARY, env_id="PriceBandit-v0", returns=np.array([]), lengths=np.array([]))


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """What rich would take for a terminal, or for none, whatever this test runs in."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def printed(table) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    return console.file.getvalue()


def row(text: str, title: str) -> list[str]:
    line = next(line for line in text.splitlines() if title in line)
    return [cell.strip() for cell in line.strip("│").split("│")][1:]


def test_the_table_has_a_column_for_each_summary_and_a_dash_for_no_figure():
    text = printed(summary_table({"first": SUMMARY, "second": ENDLESS}))

    assert row(text, "environment") == ["CartPole-v1", "PriceBandit-v0"]
    assert row(text, "episodes") == ["2", "0"]
    assert row(text, "steps  ") == ["1,234", "1,234"]
    assert row(text, "return, mean") == ["20.00", "-"]
    assert row(text, "return, standard deviation") == ["10.00", "-"]
    assert row(text, "length, mean") == ["20.0", "-"]
    assert row(text, "reward, mean  ") == ["1.000", "1.000"]
    assert row(text, "steps a second") == ["2,468", "2,468"]
    assert row(text, "round trip p50, us") == ["300", "300"]


def test_the_table_says_that_a_rollout_was_interrupted_only_if_one_was():
    interrupted = dataclasses.replace(SUMMARY, interrupted=True)
    assert "interrupted" not in printed(summary_table({"a": SUMMARY}))
    assert row(printed(summary_table({"a": SUMMARY, "b": interrupted})), "interrupted") == ["False", "True"]


def test_labels_are_text_and_no_markup():
    assert "[red]policy" in printed(summary_table({"[red]policy": SUMMARY}))


def test_the_tally_counts_steps_and_episodes():
    for unit, done in (("steps", 3), ("episodes", 1)):
        tally = Tally(unit, lambda tally: None, every_s=1.0, clock=Clock())
        for _ in range(3):
            tally.on_step(1.0)
        tally.on_run(3.0, 3)
        assert (tally.steps, tally.episodes, tally.done) == (3, 1, done)


def test_the_tally_tells_speed_and_reward_and_later_returns():
    clock = Clock()
    tally = Tally("steps", lambda tally: None, every_s=1.0, clock=clock)
    assert str(tally) == "0 steps/s"
    clock.now += 2.0
    for reward in [0.0] * 1_500 + [1.0] * 500:
        tally.on_step(reward)
    assert str(tally) == "1,000 steps/s, mean reward 1.000"
    tally.on_run(7.0, 2_000)
    assert str(tally) == "1,000 steps/s, mean return 7.00"


def test_the_tally_shows_itself_when_it_is_due_and_no_earlier():
    clock, shown = Clock(), []
    tally = Tally("steps", lambda tally: shown.append(tally.steps), every_s=1.0, clock=clock)
    for _ in range(100):
        clock.now += 0.25
        tally.on_step(0.0)
    assert shown == list(range(4, 101, 4))


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end():
    stream, clock = io.StringIO(), Clock()
    with progress(4_000, "steps", label="PriceBandit-v0", stream=stream, clock=clock) as tally:
        for _ in range(2_000):
            tally.on_step(0.5)
        assert stream.getvalue() == ""
        clock.now += LINE_EVERY_S
        for _ in range(2_000):
            tally.on_step(0.5)

    assert stream.getvalue().splitlines() == [
        "PriceBandit-v0: 2,001 of 4,000 steps, 400 steps/s, mean reward 0.500",
        "PriceBandit-v0: 4,000 of 4,000 steps, 800 steps/s, mean reward 0.500",
    ]


def test_a_terminal_gets_a_bar():
    stream, clock = Terminal(), Clock()
    with progress(10, "episodes", label="[CartPole]", stream=stream, clock=clock) as tally:
        for _ in range(10):
            clock.now += BAR_EVERY_S
            tally.on_step(1.0)
            tally.on_run(8.0, 1)

    assert "[CartPole]" in stream.getvalue()
    assert "10/10" in stream.getvalue()
    assert "episodes, 5 steps/s, mean return 8.00" in stream.getvalue()
    assert "━" in stream.getvalue()


def test_progress_goes_to_stderr_and_leaves_stdout_alone(capsys):
    with progress(1, "steps") as tally:
        print("the result")
        tally.on_step(1.0)
    out, err = capsys.readouterr()
    assert out == "the result\n"
    assert err.startswith("rollout: 1 of 1 steps, ")


def test_what_ends_a_rollout_early_is_passed_on_after_a_last_line():
    stream = io.StringIO()
    with pytest.raises(ConnectionError), progress(10, "steps", stream=stream) as tally:
        tally.on_step(1.0)
        raise ConnectionError
    assert stream.getvalue().startswith("rollout: 1 of 10 steps, ")
