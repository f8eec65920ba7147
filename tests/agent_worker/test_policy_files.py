"""What can be known of a policy's file without the libraries that it needs, before an environment is asked for."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from gymnasium import spaces

from agent_worker import policy_files, sb3_files
from agent_worker.acting import Predicting
from agent_worker.policies import PolicyError, find_policy, load_policy
from agent_worker.policy_files import fingerprint, is_file

SPACES = {"observation_space": spaces.Box(-1, 1, (4,)), "action_space": spaces.Discrete(2)}


@pytest.fixture
def installed(monkeypatch):
    """``installed("torch")``: only these of the heavy libraries can be found."""

    def only(*names: str) -> None:
        real = importlib.util.find_spec
        heavy = {"torch", "stable_baselines3", "sb3_contrib"}
        found = lambda name, *more: (name in names or None) if name in heavy else real(name, *more)
        monkeypatch.setattr(policy_files.importlib.util, "find_spec", found)

    return only


@pytest.mark.parametrize("name", ["model.zip", "ppo:model.zip", "/a/b.ZIP", "policy.pt", "x.pth", "x.pt2"])
def test_a_file_is_known_by_its_name(name):
    assert is_file(name)


@pytest.mark.parametrize("name", ["random", "module:attribute", "package.pt:attribute", "zip"])
def test_what_is_no_file_is_none(name):
    assert not is_file(name)


@pytest.mark.parametrize("name", ["model.zip", "ppo:model.zip", "policy.pt", "policy.pth", "policy.pt2"])
def test_a_file_that_is_not_there_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError, match=f"policy '{name}': there is no file '.*/{name.rpartition(':')[2]}'"):
        find_policy(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("model.zip", "needs stable_baselines3: pip install stable-baselines3"),
        ("dqn:model.zip", "needs stable_baselines3: pip install stable-baselines3"),
        ("policy.pt", "needs torch: pip install torch"),
        ("policy.pth", "needs torch: pip install torch"),
        ("policy.pt2", "needs torch: pip install torch"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_to_install(name, says, tmp_path, monkeypatch, installed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name.rpartition(":")[2]).write_bytes(b"PK")
    installed()
    with pytest.raises(PolicyError, match=says):
        find_policy(name)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"anything"])
def test_a_model_that_is_no_zip_is_refused(content, tmp_path, monkeypatch, installed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.zip").write_bytes(content)
    installed("stable_baselines3")
    with pytest.raises(PolicyError, match="'model.zip' cannot be read"):
        find_policy("model.zip")


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        ({}, "there is no 'data' in it"),
        ({"data": "{}"}, "there is no 'policy.pth' in it"),
        ({"data": "{", "policy.pth": ""}, "is no model of Stable-Baselines3"),
        ({"data": "[]", "policy.pth": ""}, "does not say its policy class"),
        ({"data": '{"policy_class": 5}', "policy.pth": ""}, "cannot be understood"),
        ({"data": '{"policy_class": {":serialized:": "!"}}', "policy.pth": ""}, "its policy_class cannot be read"),
    ],
)
def test_a_zip_that_is_no_model_is_refused(inside, says, tmp_path, monkeypatch, installed):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        for name, text in inside.items():
            archive.writestr(name, text)
    installed("stable_baselines3", "torch")
    monkeypatch.setitem(sys.modules, "stable_baselines3", types.ModuleType("stable_baselines3"))
    with pytest.raises(PolicyError, match=says):
        find_policy("model.zip")


class Evil:
    """What a stranger might pickle."""

    touched = False

    def __reduce__(self):
        return exec, ("import tests.agent_worker.test_policy_files as m; m.Evil.touched = True",)


@pytest.mark.parametrize(
    "value",
    [Evil(), {"activation_fn": Evil()}, np.zeros, sys.modules, print, OrderedDict(a=1), spaces.Discrete(2), Predicting],
    ids=["evil", "evil within", "a function", "no pickle", "a builtin", "a container", "an object", "a class"],
)
@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_is_more_than_data_is_not_run(value, protocol, tmp_path, monkeypatch, installed):
    try:
        pickled = pickle.dumps(value, protocol)
    except (TypeError, pickle.PicklingError):
        pickled = b"cos\nsystem\n."
    text = json.dumps({"policy_class": {":serialized:": base64.b64encode(pickled).decode()}})
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("data", text)
        archive.writestr("policy.pth", "")
    installed("stable_baselines3", "torch")
    monkeypatch.setitem(sys.modules, "stable_baselines3", types.ModuleType("stable_baselines3"))
    with pytest.raises(PolicyError, match="policy_class is pickled Python .* say --trust-policy if you trust"):
        find_policy("model.zip")
    assert not Evil.touched


@pytest.mark.parametrize("value", [{"net_arch": [64, 64], "log_std_init": -0.5, "flag": True}, {"a": (1, None)}, "x"])
def test_plain_data_in_a_pickle_is_read(value):
    assert sb3_files._plain(pickle.dumps(value)) == value


@pytest.mark.parametrize("name", ["random", "bandit", "tests.support.policies:always_two"])
def test_only_networks_can_be_taken_stochastically(name):
    with pytest.raises(PolicyError, match="--stochastic"):
        load_policy(name, **SPACES, stochastic=True)


@pytest.mark.parametrize("name", ["random", "model.zip", "tests.support.policies:always_two"])
def test_a_class_for_weights_is_for_files_of_weights_only(name):
    with pytest.raises(PolicyError, match=f"--policy-class is for weights in a PyTorch file; policy '{name}' is none"):
        find_policy(name, network="module:Class")


def test_a_model_predicts_as_stochastically_as_it_is_asked_to():
    class Model:
        def predict(self, observation, deterministic=False):
            return int(deterministic), None

    assert Predicting(Model()).act(0, {}) == 1
    assert Predicting(Model(), stochastic=True).act(0, {}) == 0


def test_what_a_stochastic_model_draws_follows_from_the_seed_and_the_episodes():
    class Model:
        def predict(self, observation, deterministic=False):
            return 0, None

    def seeds_of(seed, *begun):
        found = []
        policy = Predicting(Model(), stochastic=True, seed=seed, draw_from=found.append)
        for lane, number in begun:
            policy.begin(lane, number)
            policy.act_batch(np.zeros(2), [{}, {}])
        policy.act_batch(np.zeros(2), [{}, {}])
        return found

    first = seeds_of(1, (0, 0), (1, 1), (0, 2))
    assert len(set(first)) == 3
    assert seeds_of(1, (0, 0), (1, 1), (0, 2)) == first
    assert set(seeds_of(2, (0, 0), (1, 1), (0, 2))) & set(first) == set()
    assert set(seeds_of(1, (0, 3), (1, 4), (0, 5))) & set(first) == set()


def test_a_fingerprint_tells_files_apart_and_forgets_folders(tmp_path):
    for folder, content in (("a", b"one"), ("b", b"one"), ("c", b"other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.zip").write_bytes(content)
    one, same, other = (fingerprint(str(tmp_path / folder / "model.zip")) for folder in "abc")
    assert one == same != other
    assert one == fingerprint(f"ppo:{tmp_path}/a/model.zip")
    assert one.startswith("model.zip ")
    assert fingerprint("random") == "random"


def test_no_heavy_library_is_imported_for_policies_that_need_none():
    import subprocess

    code = """
import sys, agent_worker.cli, agent_worker.policies
agent_worker.policies.find_policy("random")
print([name for name in ("torch", "stable_baselines3", "matplotlib", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
