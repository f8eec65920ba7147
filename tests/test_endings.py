"""The long commands leave nothing behind, whichever signal ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from bench.processes import descendants
from tests.support.commands import ROOT, as_child, environment, eventually
from tests.support.processes import alive
from tools.endings import SIGNALS, ended_in_order

COMMANDS = {
    "soak": ("tests.soak", "15", "--out", "OUT"),
    "faults": ("tests.faults", "--only", "F26b", "--trials", "99", "--no-page"),
    "ctrl_c": ("tests.ctrl_c", "99"),
    "bench": ("bench", "--only", "ours"),
    "fuzz": ("fuzz", "--only", "presence"),
}
CHILD = {"fuzz": b"fuzz.run"}
"""What is in the command line of a child of each; of all others: a stepper of an env worker."""

ATHERIS = """
import contextlib, time

@contextlib.contextmanager
def instrument_imports(include):
    yield

def Setup(arguments, function):
    function(b"")

def Fuzz():
    time.sleep(600)
"""
"""In the place of the fuzzer's library, which only `make fuzz` installs."""

START_S, END_S = 90.0, 60.0
GONE_S = 15.0
"""Shorter than all that was started would wait for a broker that is not there."""


def has_child(pids: list[int], mark: bytes) -> bool:
    """Whether one of the processes has ``mark`` in its command line."""
    for pid in pids:
        with suppress(OSError):
            if mark in Path(f"/proc/{pid}/cmdline").read_bytes():
                return True
    return False


@pytest.mark.parametrize("name", COMMANDS)
def test_a_sigterm_ends_all_that_it_has_started(name, tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    (tmp_path / "atheris.py").write_text(ATHERIS)
    command = [str(tmp_path) if word == "OUT" else word for word in COMMANDS[name]]
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env={**environment(), "TMPDIR": str(folder), "PYTHONPATH": path},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=as_child, start_new_session=True,
    )  # fmt: skip
    family: list[int] = []
    try:
        child = CHILD.get(name, b"spawn_main")
        eventually(lambda: has_child(descendants(process.pid), child), f"it has a child {child!r}", START_S)
        family = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=END_S)[1].decode()
        assert process.returncode == 128 + signal.SIGTERM, said
        assert "Traceback" not in said
        eventually(lambda: not any(map(alive, family)), "all processes are gone")
        assert os.listdir(folder) == []
    finally:
        family += descendants(process.pid)  # where it did not come to that
        process.kill()
        process.communicate()
        for pid in filter(alive, family):
            os.kill(pid, signal.SIGKILL)


STARTED = {
    "worker": "from tests.support.commands import Worker; one = Worker(url, folder / 'log', 'CartPole-v1').process",
    "command": "from tests.support.ctrl_c import Command; one = Command(url, 'agent_worker', 'ping').process",
    "player": "from tests.support.seats import Player; one = Player(url, folder, 'CartPole-v1', 'w', 's').process",
    "rig": "from tests.faults.processes import Worker; one = Worker(folder, 'Env-v0', url, folder / 'log').popen",
    "fuzz": (
        "from concurrent.futures import ThreadPoolExecutor; from subprocess import DEVNULL;"
        "from fuzz.family import Family;"
        "family = Family(); command = [sys.executable, '-c', 'import time; time.sleep(600)'];"
        "ThreadPoolExecutor(1).submit(family.run, command, DEVNULL);"
        "eventually(lambda: family._running, 'it runs'); (one,) = family._running"
    ),
}
OWNER = """
import sys, time
from pathlib import Path
from tests.support.commands import eventually
url, folder = "amqp://guest:guest@127.0.0.1:1/", Path(sys.argv[1])
{}
print(one.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("name", STARTED)
def test_what_is_started_for_a_test_ends_with_it_even_if_that_is_killed(name, tmp_path):
    command = [sys.executable, "-c", OWNER.format(STARTED[name]), str(tmp_path)]
    given = {**environment(), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, preexec_fn=as_child) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert alive(pid)
        owner.kill()
    try:
        eventually(lambda: not alive(pid), "it has ended", GONE_S)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_end_is_not_disturbed_by_the_signals_that_follow(number):
    before = [signal.getsignal(one) for one in SIGNALS]  # in the background of a shell SIGINT is ignored
    cleaned = []
    with pytest.raises(SystemExit) as ended, ended_in_order():
        try:
            signal.raise_signal(number)
        finally:
            for one in SIGNALS:
                signal.raise_signal(one)
            cleaned.append(True)
    assert (ended.value.code, cleaned) == (128 + number, [True])
    assert [signal.getsignal(one) for one in SIGNALS] == before
