"""One Ctrl-C at chosen moments of the commands, told by what they say: the end is clean, and nothing is left behind.

``make test-ctrl-c`` strikes at random moments, and holds them to two seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ctrl_c
from tests.support.commands import ROOT, Worker, as_child, environment, eventually, worker
from tests.support.ctrl_c import Command, Ended, left_behind

COUNTING = "tests.support.envs:Counting"
SLOW_IMPORT = 'import sys, time\nprint("being imported", file=sys.stderr, flush=True)\ntime.sleep(600)\n'
SLOW_END = """
import gymbroker_start, os, time

class Last:
    def __del__(self, write=os.write, sleep=time.sleep):
        write(1, b"ending")
        sleep(1)

last = Last()
gymbroker_start.leave_at_once()
"""
IN_EXEC = """
import sys
from agent_worker.interrupts import EXIT_INTERRUPTED, interruptible

try:
    with interruptible():
        exec("import signal; signal.raise_signal(signal.SIGINT)")
except KeyboardInterrupt:
    sys.exit(EXIT_INTERRUPTED)
"""
NOBODY = "amqp://guest:guest@127.0.0.1:1/"


RUNPY = 'Traceback (most recent call last):\n  File "<frozen runpy>", line 198, in _run_code\n{}KeyboardInterrupt\n'


@pytest.mark.parametrize(
    ("line", "early"),
    [
        ("", True),
        (f'  File "{ROOT}/.venv/lib/python3.11/site-packages/typer/__init__.py", line 1, in <module>\n', True),
        (f'  File "{ROOT}/gymbroker_start.py", line 1, in <module>\n', False),
        (f'  File "{ROOT}/env_worker/stepper.py", line 9, in run\n', False),
        ('  File "/usr/lib/python3.11/multiprocessing/spawn.py", line 122, in spawn_main\n', False),
    ],
)
def test_only_a_traceback_of_the_interpreter_before_any_line_of_ours_is_excused(line, early):
    for heeded in (True, False):
        ended = Ended(1, 0.1, "", RUNPY.format(line), heeded)
        assert (ended.too_early, bool(ended.wrong)) == (early, not early)


def test_an_end_by_the_signal_is_excused_only_where_python_did_not_heed_it_yet():
    assert [bool(Ended(-2, 0.1, "", "", heeded).wrong) for heeded in (True, False)] == [True, False]
    assert Ended(1, 0.1, RUNPY.format(""), "").wrong


def test_a_traceback_of_an_interpreter_that_ends_is_not_excused():
    threading = "/usr/lib/python3.11/threading.py"
    said = f"Exception ignored in: <module 'threading' from '{threading}'>\n" + RUNPY.format("").replace(
        "<frozen runpy>", threading
    )
    assert Ended(130, 0.1, "", said).wrong
    assert Ended(130, 0.1, "", RUNPY.format("").replace("<frozen runpy>", threading)).wrong


def test_a_command_that_has_ended_leaves_no_file_open():
    before = len(os.listdir("/proc/self/fd"))
    Command(NOBODY, "gymbroker", "--version").end()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def struck():
    """``struck(url, "agent_worker", "ping")`` starts a command; it is ended when the test is."""
    started = []

    def start(*arguments: str) -> Command:
        started.append(Command(*arguments))
        return started[-1]

    yield start
    for command in started:
        command.end()


@pytest.mark.parametrize("module", ["env_worker", "agent_worker", "gymbroker"])
def test_while_modules_are_imported(struck, module, tmp_path, monkeypatch):
    """By its installed script: ``python -m`` imports the package before any of its lines is run."""
    (tmp_path / "typer.py").write_text(SLOW_IMPORT)
    monkeypatch.setattr(ctrl_c, "ROOT", tmp_path)  # the current folder: it comes before all that is installed
    arguments = {"env_worker": ["serve", COUNTING], "agent_worker": ["run", COUNTING], "gymbroker": ["status"]}[module]
    command = struck(NOBODY, "gymbroker_start", module, *arguments)
    command.wait_for(lambda: "being imported" in command.err, "it imports Typer")
    ended = command.strike()
    assert (ended.wrong, ended.code) == ("", 130)


def test_while_the_interpreter_ends():
    """It has taken all handlers away, and would die of the signal although all was done."""
    command = subprocess.Popen(
        [sys.executable, "-c", SLOW_END], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, preexec_fn=as_child
    )
    with command:
        assert command.stdout is not None
        assert command.stdout.read(6) == b"ending"
        command.send_signal(signal.SIGINT)
        assert command.wait(30) == 0


@pytest.mark.parametrize("how", [("-m", "in_exec"), ("in_exec.py",)])
def test_in_code_that_is_made_by_exec_as_that_of_a_dataclass(tmp_path, how):
    (tmp_path / "in_exec.py").write_text(IN_EXEC)
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *how]
    done = subprocess.run(command, cwd=tmp_path, env=path, timeout=60, check=False, preexec_fn=as_child)
    assert done.returncode == 130


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("env_worker", ["serve", COUNTING]),
        ("agent_worker", ["run", COUNTING]),
        ("agent_worker", ["ping"]),
        ("gymbroker", ["status", "--timeout", "60"]),
        ("gymbroker", ["doctor", "--timeout", "60"]),
    ],
)  # fmt: skip
def test_while_the_broker_is_waited_for(struck, module, arguments):
    command = struck(NOBODY, module, *arguments)
    command.wait_for(lambda: "waiting for the broker" in command.err, "it waits for the broker")
    ended = command.strike()
    assert not ended.wrong
    assert ended.code == (0 if module == "env_worker" else 130)


def test_a_stepper_heeds_no_ctrl_c_from_its_first_moment(tmp_path):
    one = Worker(NOBODY, tmp_path / "log", COUNTING)
    try:
        (pid,) = eventually(one.steppers, "it has a stepper")
        eventually(lambda: not ctrl_c.deaf(pid) or "waiting for the broker" in one.said, "the stepper waits")
        assert ctrl_c.deaf(pid)
    finally:
        os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


def test_while_a_worker_steps_and_an_agent_plays(struck, rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1") as served:
        for _ in range(2):  # the second finds the slot free
            agent = struck(rabbit.url, "agent_worker", "run", COUNTING, "--steps", "100000000", "--json")
            agent.wait_for(lambda: "steps/s" in agent.err, "it plays")  # noqa: B023 - called at once
            ended = agent.strike()
            assert not ended.wrong
            found = json.loads(ended.out)
            assert (ended.code, found["interrupted"], found["steps"] > 0) == (130, True, True)
        eventually(lambda: not left_behind(rabbit.ctl, served=True), "no queue of an episode is left")
        assert served.process.poll() is None


def test_while_an_agent_stands_in_line(struck, rabbit, tmp_path):
    with worker(rabbit.url, tmp_path / "log", COUNTING, "--capacity", "1") as served:
        first = struck(rabbit.url, "agent_worker", "run", COUNTING, "--steps", "100000000")
        first.wait_for(lambda: "steps/s" in first.err, "it plays")
        second = struck(rabbit.url, "agent_worker", "run", COUNTING, "--make-timeout", "60")
        second.wait_for(lambda: "waiting in line" in second.err, "it stands in line")
        ended = second.strike()
        assert (ended.wrong, ended.code) == ("", 130)
        assert first.strike().code == 130
        assert served.stop() == 0


def test_an_env_that_hangs_keeps_neither_side(struck, rabbit):
    serving = struck(rabbit.url, "env_worker", "serve", COUNTING, "--env-kwargs", json.dumps({"trouble": {"3": 600}}))
    serving.wait_for(lambda: "serving" in serving.err, "it serves")
    agent = struck(rabbit.url, "agent_worker", "run", COUNTING, "--json")
    serving.wait_for(lambda: "is open" in serving.err, "an episode is open")
    ended = agent.strike()
    assert (ended.wrong, ended.code) == ("", 130)
    listed = Path(f"/proc/{serving.process.pid}/task/{serving.process.pid}/children")
    children = listed.read_text().split()
    ended = serving.strike()
    assert (ended.wrong, ended.code) == ("", 0)
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), "none of its children is left")
    eventually(lambda: not left_behind(rabbit.ctl, served=True), "no queue of an episode is left")
