"""The vector back-ends: lanes of envs of every kind, in the mode asked for, or a named reason why not."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
import pytest

from env_worker.catalogue import BadKwargs, Catalogue, Entry, WrongOption
from env_worker.settings import WorkerSettings
from env_worker.vectors import make_lanes

COUNTING = "tests.support.envs:Counting"


def entry(env_id: str, **settings) -> Entry:
    found = Catalogue(WorkerSettings((env_id,), **settings)).get(env_id)
    assert found is not None
    return found


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_lanes_of_a_loop_are_stepped_together_in_the_mode_asked_for(mode):
    env = make_lanes(entry(COUNTING, env_kwargs={"limit": 3}), {}, None, 2, mode, "loop").env
    env.reset(seed=1)

    assert env.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode[mode.upper()]
    assert env.step(np.array([0, 2]))[1].tolist() == [0.0, 2.0]
    env.close()


def test_an_entry_point_gives_the_vector_env_that_was_registered():
    env = make_lanes(entry("CartPole-v1"), {}, None, 3, "next_step", "entry-point").env

    assert (env.num_envs, type(env.unwrapped).__name__) == (3, "CartPoleVectorEnv")
    env.close()


@pytest.mark.parametrize(
    ("env_id", "settings", "mode", "backend", "text"),
    [
        ("CartPole-v1", {}, "sometimes", "loop", "autoreset_mode: expected one of .*, got 'sometimes'"),
        ("CartPole-v1", {"backend": "gym"}, "next_step", "entry-point", "CartPole-v1 has no vector entry point"),
        ("Acrobot-v1", {}, "next_step", "entry-point", "Acrobot-v1 has no vector entry point"),
        (COUNTING, {}, "next_step", "entry-point", "Counting has no vector entry point"),
        ("CartPole-v1", {}, "same_step", "entry-point", "autoreset_mode: .* has next_step, got 'same_step'"),
    ],
)
def test_lanes_that_cannot_be_had_are_refused_with_the_reason(env_id, settings, mode, backend, text):
    with pytest.raises(BadKwargs, match=text):
        make_lanes(entry(env_id, **settings), {}, None, 2, mode, backend)


@pytest.fixture
def without_envpool(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)


def test_a_back_end_that_is_not_installed_is_named_with_how_to_get_it(without_envpool):
    with pytest.raises(WrongOption, match="^--vector envpool: EnvPool is not installed here: pip install envpool$"):
        entry("CartPole-v1", vector="envpool")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("raise OSError('libGL.so.1: cannot open')", "EnvPool cannot be imported: OSError: libGL.so.1: cannot open"),
        ("import no_such_module", "EnvPool cannot be imported: No module named 'no_such_module'"),
    ],
)
def test_a_back_end_that_is_broken_says_how(monkeypatch, tmp_path, source, text):
    (tmp_path / "envpool.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "envpool", raising=False)
    with pytest.raises(WrongOption, match=f"^--vector envpool: {text}"):
        entry("CartPole-v1", vector="envpool")


def test_a_factory_makes_no_pool(without_envpool):
    with pytest.raises(WrongOption, match="--vector envpool: a factory makes envs one by one"):
        entry("Counting-v0", vector="envpool", factory="tests.support.factories:make")


def test_an_id_of_a_factory_is_no_entry_point_of_gymnasium_s():
    found = entry("CartPole-v1", factory="tests.support.factories:make")
    with pytest.raises(BadKwargs, match="CartPole-v1 has no vector entry point"):
        make_lanes(found, {}, None, 2, "next_step", "entry-point")
