"""What a killed rig leaves of the machine is removed by the next one; what a living one has is left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults import island, machine
from tests.faults.island import Island
from tests.faults.machine import CannotRun


@pytest.fixture
def undone(monkeypatch):
    """Commands that make something undone are not run, but noted here."""
    noted = []
    monkeypatch.setattr(machine, "undo", lambda *words: noted.append(words))
    monkeypatch.setattr(island, "undo", lambda *words: noted.append(words))
    return noted


def dead() -> int:
    """Id of a process that was."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_networks_and_file_systems_of_dead_rigs_are_removed_and_no_others(undone, tmp_path, monkeypatch):
    killed = dead()
    spaces, brokers = tmp_path / "netns", [tmp_path / name for name in ("killed", "living", "other")]
    for folder in (spaces, *brokers):
        folder.mkdir()
    for name in (f"faults-{killed}-1f", f"{machine.mark()}-2e", "faults-else", "blue"):
        (spaces / name).touch()
    sources = [f"faults-{killed}", machine.mark(), "tmpfs"]
    mounts = tmp_path / "mounts"
    lines = (f"{one} {broker}/data tmpfs rw 0 0\n" for one, broker in zip(sources, brokers, strict=True))
    mounts.write_text("".join(lines))
    monkeypatch.setattr(machine, "SPACES", spaces)
    monkeypatch.setattr(machine, "MOUNTS", mounts)
    machine.sweep()
    assert undone == [
        ("ip", "netns", "del", f"faults-{killed}-1f"),
        ("umount", "--lazy", f"{brokers[0]}/data"),
    ]
    assert [broker.exists() for broker in brokers] == [False, True, True]


def test_where_one_end_of_a_link_cannot_be_made_the_other_is_closed_and_the_network_removed(undone, monkeypatch):
    ends = []

    def tunnel(device):
        if ends:
            raise CannotRun("no more tunnels")
        ends.append(os.open(os.devnull, os.O_RDWR))
        return ends[0]

    monkeypatch.setattr(island, "_tunnel", tunnel)
    monkeypatch.setattr(island, "command", lambda *words: "")
    with pytest.raises(CannotRun), Island():
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ends[0])
    assert [words[:3] for words in undone] == [("ip", "netns", "del")]
