"""Models of Stable-Baselines3 and modules of PyTorch as policies: from files, over a broker, in one lane and many."""

from __future__ import annotations

import builtins
import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from torch import nn

from agent_worker import RemoteVectorEnv
from agent_worker.policies import PolicyError, load_policy
from agent_worker.rollout import rollout
from agent_worker.rollout_lanes import rollout_lanes
from tests.ecosystem.networks import Actor, Extractor, Pair, Wide
from tests.support.commands import ROOT, environment, worker

CART_POLE = gymnasium.make("CartPole-v1")
PLACE = {"observation_space": CART_POLE.observation_space, "action_space": CART_POLE.action_space}
IMAGE = spaces.Box(0, 255, (40, 40, 3), np.uint8)
MULTI = spaces.Dict(
    [("vector", spaces.Box(-1, 1, (3,))), ("image", IMAGE), ("discrete", spaces.Discrete(3))]  # not in order of names
)


class Sampling(gymnasium.Env):
    """Observes anything of its space."""

    def __init__(self, observation_space=MULTI, action_space=spaces.Discrete(4)) -> None:  # noqa: B008 - never changed
        self.observation_space, self.action_space, self.left = observation_space, action_space, 0

    def _observe(self):
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        return self.observation_space.sample()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(2, 6))
        return self._observe(), {}

    def step(self, action):
        assert action in self.action_space
        self.left -= 1
        return self._observe(), float(np.sum(action)), self.left == 0, False, {}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small networks are faster so, and the same on all machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Files are made in a folder of the test's own, and networks are the same at every run."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    return tmp_path


def observations(space, count: int) -> list:
    space.seed(3)
    return [space.sample() for _ in range(count)]


def batched(space, values):
    return concatenate(space, values, create_empty_array(space, len(values)))


KINDS = {
    "PPO": lambda: PPO("MlpPolicy", "CartPole-v1"),
    "PPO, of its own shape": lambda: PPO(
        "MlpPolicy", "CartPole-v1", policy_kwargs={"activation_fn": nn.ReLU, "net_arch": {"pi": [8], "vf": [9]}}
    ),
    "PPO, continuous": lambda: PPO("MlpPolicy", "Pendulum-v1"),
    "PPO, state-dependent exploration": lambda: PPO("MlpPolicy", "Pendulum-v1", use_sde=True),
    "PPO, images": lambda: PPO("CnnPolicy", Sampling(IMAGE), n_steps=8, batch_size=8),
    "PPO, many inputs": lambda: PPO("MultiInputPolicy", Sampling(), n_steps=8, batch_size=8),
    "PPO, many actions": lambda: PPO("MlpPolicy", Sampling(spaces.Box(-1, 1, (3,)), spaces.MultiDiscrete([3, 4]))),
    "PPO, switches": lambda: PPO("MlpPolicy", Sampling(spaces.Discrete(5), spaces.MultiBinary(3))),
    "A2C": lambda: A2C("MlpPolicy", "CartPole-v1"),
    "DQN": lambda: DQN("MlpPolicy", "CartPole-v1", buffer_size=10),
    "SAC": lambda: SAC("MlpPolicy", "Pendulum-v1", buffer_size=10),
    "TD3": lambda: TD3("MlpPolicy", "Pendulum-v1", buffer_size=10),
    "DDPG": lambda: DDPG("MlpPolicy", "Pendulum-v1", buffer_size=10),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_from_a_file_acts_as_it_did(kind):
    model = KINDS[kind]()
    model.save("model.zip")
    env = model.get_env()
    place = {"observation_space": env.observation_space, "action_space": env.action_space}
    if "images" in kind or "many inputs" in kind:
        place["observation_space"] = IMAGE if "images" in kind else MULTI  # as the env has it: channels last
    policy = load_policy("model.zip", **place, lanes=3)
    seen = observations(place["observation_space"], 3)
    expected = [model.predict(one, deterministic=True)[0] for one in seen]
    for one, wanted in zip(seen, expected, strict=True):
        action = policy.act(one, {})
        assert np.array_equal(action, wanted)
        assert action in place["action_space"]
    many = policy.act_batch(batched(place["observation_space"], seen), [{}] * 3)
    np.testing.assert_allclose(many, np.stack(expected), rtol=1e-4, atol=1e-5)
    assert load_policy(f"{kind.partition(',')[0].lower()}:model.zip", **place).act(seen[0], {}) in place["action_space"]


def test_a_model_of_another_algorithm_than_was_said_is_refused():
    PPO("MlpPolicy", "CartPole-v1").save("model.zip")
    with pytest.raises(PolicyError, match="ActorCriticPolicy in it is no policy of DQN"):
        load_policy("dqn:model.zip", **PLACE)
    with pytest.raises(PolicyError, match=r"unknown algorithm 'pppo'; there are a2c, .*ppo"):
        load_policy("pppo:model.zip", **PLACE)


def test_a_model_that_does_not_fit_the_env_is_refused():
    PPO("MlpPolicy", "Pendulum-v1").save("model.zip")
    with pytest.raises(PolicyError, match=r"has weights for other spaces than Box.* and Discrete\(2\)"):
        load_policy("model.zip", **PLACE)
    with pytest.raises(PolicyError, match="cannot be made for Text|has weights for other spaces"):
        load_policy("model.zip", observation_space=spaces.Text(5), action_space=spaces.Discrete(2))


class Evil:
    """What a stranger might pickle."""

    def __reduce__(self):
        return exec, ("import builtins; builtins.touched = True",)


def test_code_in_a_model_runs_only_if_it_is_trusted():
    PPO("MlpPolicy", "CartPole-v1", policy_kwargs={"features_extractor_class": Extractor}).save("model.zip")
    with pytest.raises(PolicyError, match=r"its policy_kwargs is pickled Python \(.*Extractor\).*--trust-policy"):
        load_policy("model.zip", **PLACE)
    assert load_policy("model.zip", **PLACE, trust=True).act(CART_POLE.reset(seed=0)[0], {}) in CART_POLE.action_space

    model = PPO("MlpPolicy", "CartPole-v1")
    model.learning_rate = Evil()  # a value that acting does not need is not even looked at
    model.save("evil.zip")
    load_policy("evil.zip", **PLACE)
    load_policy("evil.zip", **PLACE, trust=True)
    assert not hasattr(builtins, "touched")


def script(module: nn.Module, name: str = "policy.pt") -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module).save(name)
    return name


def files_of(actor: Actor) -> dict[str, dict]:
    """The same module in all ways that PyTorch has to save it, and how each is loaded."""
    network = {"network": "tests.ecosystem.networks:Actor"}
    script(actor, "script.pt")
    torch.save(actor.state_dict(), "weights.pth")
    torch.save(actor.state_dict(), "old.pth", _use_new_zipfile_serialization=False)
    torch.save(actor, "pickled.pt")
    lanes = torch.export.Dim("lanes", min=1, max=1024)
    torch.export.save(
        torch.export.export(actor.eval(), (torch.zeros(2, 4),), dynamic_shapes={"observation": {0: lanes}}), "whole.pt2"
    )
    trust = {"trust": True}
    return {"script.pt": {}, "weights.pth": network, "old.pth": network, "pickled.pt": trust, "whole.pt2": trust}


def test_a_module_acts_the_same_however_it_was_saved():
    actor = Actor()
    seen = observations(spaces.Box(-1, 1, (4,)), 64)
    with torch.no_grad():
        expected = actor.eval()(torch.tensor(np.stack(seen))).argmax(1).tolist()
    assert len(set(expected)) == 2
    for name, how in files_of(actor).items():
        policy = load_policy(name, **PLACE, lanes=64, **how)
        assert [policy.act(one, {}) for one in seen] == expected, name
        assert policy.act_batch(np.stack(seen), [{}] * 64).tolist() == expected, name


def test_files_that_hold_pickles_are_refused_unless_they_are_trusted():
    files_of(Actor())
    for name in ("pickled.pt", "whole.pt2"):
        with pytest.raises(PolicyError, match=rf"'{name}'.* pickled Python.*--trust-policy"):
            load_policy(name, **PLACE)
    Path("evil.pt").write_bytes(pickle.dumps(Evil()))
    torch.save({"weights": Evil()}, "evil.pth")
    for name in ("evil.pt", "evil.pth"):
        with pytest.raises(PolicyError, match="cannot be loaded|pickled Python"):
            load_policy(name, **PLACE)
    assert not hasattr(builtins, "touched")


@pytest.mark.parametrize(
    ("name", "how", "says"),
    [
        ("weights.pth", {}, "holds weights and no network: name the class .* --policy-class module:Class"),
        ("weights.pth", {"network": "tests.ecosystem.networks"}, "expected module:Class, got"),
        ("weights.pth", {"network": "tests.ecosystem.networks:None_"}, "has no 'None_'"),
        ("weights.pth", {"network": "tests.ecosystem.networks:Fitting"}, "its weights do not fit Fitting"),
        ("weights.pth", {"network": "builtins:dict"}, "must give a torch.nn.Module, got dict"),
        ("weights.pth", {"network": "tests.ecosystem.networks:actor"}, "its network could not be made: TypeError"),
        ("script.pt", {"network": "tests.ecosystem.networks:Actor"}, "is a whole module; --policy-class is for"),
        ("broken.pt", {}, "'broken.pt' cannot be read"),
        ("wide.pt", {}, r"must give a tensor of shape \(3, 2\) for 3 observations .*, it gave \(3, 3\)"),
        ("pair.pt", {}, "must give one tensor, it gave a tuple"),
        ("one.pt2", {"trust": True}, "cannot take 3 observations of Box"),
    ],
)
def test_what_is_wrong_with_a_module_is_said_before_it_plays(name, how, says):
    files_of(Actor())
    script(Wide(), "wide.pt")
    script(Pair(), "pair.pt")
    torch.export.save(torch.export.export(Actor().eval(), (torch.zeros(1, 4),)), "one.pt2")
    Path("broken.pt").write_bytes(Path("script.pt").read_bytes()[:2000])
    with pytest.raises(PolicyError, match=says):
        load_policy(name, **PLACE, lanes=3, **how)


def test_weights_for_a_network_that_takes_the_spaces():
    from tests.ecosystem.networks import Fitting

    torch.save(Fitting(**PLACE).state_dict(), "weights.pth")
    policy = load_policy("weights.pth", **PLACE, network="tests.ecosystem.networks:Fitting")
    assert policy.act(CART_POLE.reset(seed=0)[0], {}) in (0, 1)


class Fixed(nn.Module):
    """Gives what it was made with, for each observation."""

    def __init__(self, out) -> None:
        super().__init__()
        self.out, self.seen = torch.as_tensor(out), []

    def forward(self, observation):
        self.seen.append(observation)
        while isinstance(observation, (dict, tuple)):
            observation = observation[next(iter(observation))] if isinstance(observation, dict) else observation[0]
        return self.out.expand(len(observation), *self.out.shape)


@pytest.mark.parametrize(
    ("space", "out", "action"),
    [
        (spaces.Discrete(3), [0.0, 2.0, 1.0], 1),
        (spaces.Discrete(3, start=-5), [0.0, 2.0, 1.0], -4),
        (spaces.Discrete(3), 2, 2),
        (spaces.MultiDiscrete([2, 3]), [0.0, 1.0, 5.0, 4.0, 3.0], [1, 0]),
        (spaces.MultiDiscrete([[2], [3]]), [1.0, 0.0, 3.0, 4.0, 5.0], [[0], [2]]),
        (spaces.MultiBinary((2, 2)), [1.0, -1.0, 0.5, -0.5], [[1, 0], [1, 0]]),
        (spaces.Box(-1, 1, (2,), np.float32), [0.25, -7.0], [0.25, -1.0]),
        (spaces.Box(np.array([[0], [1]]), np.array([[9], [9]]), dtype=np.int16), [3.6, -1.0], [[4], [1]]),
    ],
    ids=str,
)
def test_actions_are_the_best_and_the_mean_clipped_into_the_space(space, out, action, monkeypatch):
    monkeypatch.setattr("tests.ecosystem.test_policies.given", Fixed(out), raising=False)
    place = {"observation_space": PLACE["observation_space"], "action_space": space}
    policy = load_policy("tests.ecosystem.test_policies:given", **place, lanes=2)
    one = policy.act(CART_POLE.reset(seed=0)[0], {})
    assert one in space
    assert np.array_equal(one, action)
    many = policy.act_batch(np.zeros((2, 4), np.float32), [{}, {}])
    assert many in batch_space(space, 2)
    assert np.array_equal(many[1], action)


def test_what_a_module_is_shown(monkeypatch):
    module = Fixed([1.0, 0.0])
    monkeypatch.setattr("tests.ecosystem.test_policies.given", module, raising=False)
    space = spaces.Dict(a=spaces.Box(-1, 1, (3,), np.float64), b=spaces.Tuple((spaces.Discrete(4), IMAGE)))
    place = {"observation_space": space, "action_space": spaces.Discrete(2)}
    policy = load_policy("tests.ecosystem.test_policies:given", **place)
    policy.act(observations(space, 1)[0], {})
    policy.act_batch(batched(space, observations(space, 5)), [{}] * 5)
    for seen, count in zip(module.seen, (1, 1, 5), strict=True):
        shapes = (seen["a"].shape, seen["b"][0].shape, seen["b"][1].shape)
        assert shapes == ((count, 3), (count,), (count, 40, 40, 3))
        assert (seen["a"].dtype, seen["b"][0].dtype, seen["b"][1].dtype) == (torch.float32, torch.int64, torch.float32)


@pytest.mark.parametrize(
    ("place", "how", "says"),
    [
        ({"observation_space": spaces.Text(5)}, {}, "no tensor can be made of observations of Text"),
        ({"observation_space": spaces.Dict(a=spaces.Graph(IMAGE, None))}, {}, "no tensor can be made of .* Graph"),
        ({"action_space": spaces.Text(5)}, {}, "gives actions of Box, Discrete, .*; the env has Text"),
        ({"action_space": spaces.Box(-1, 1, (2,))}, {"stochastic": True}, "nothing says what to draw around it"),
    ],
)
def test_a_space_that_a_module_is_not_for_is_named(place, how, says):
    script(Actor())
    with pytest.raises(PolicyError, match=says):
        load_policy("policy.pt", **{**PLACE, **place}, **how)


def test_stochastic_actions_follow_the_logits_and_the_episode():
    logits = torch.log(torch.tensor([0.1, 0.6, 0.3]))
    space = {"observation_space": spaces.Discrete(2), "action_space": spaces.Discrete(3)}
    from agent_worker.torch_policy import TorchPolicy

    def drawn(seed, lanes, number=0):
        policy = TorchPolicy("given", Fixed(logits), *space.values(), seed=seed, lanes=lanes, stochastic=True)
        for lane in range(lanes):
            policy.begin(lane, number + lane)
        return np.stack([policy.act_batch(np.zeros(lanes, np.int64), [{}] * lanes) for _ in range(2_000)])

    first = drawn(1, 3)
    np.testing.assert_allclose(np.bincount(first.ravel()) / first.size, [0.1, 0.6, 0.3], atol=0.03)
    assert np.array_equal(first[:, 1:], drawn(1, 2, number=1))  # whichever lane plays the episode, and beside which
    assert not np.array_equal(first, drawn(2, 3))


def test_a_factory_of_the_users_may_give_a_module():
    policy = load_policy("tests.ecosystem.networks:actor", **PLACE, seed=3, lanes=2)
    again = load_policy("tests.ecosystem.networks:actor", **PLACE, seed=3, lanes=2)
    seen = np.stack(observations(spaces.Box(-1, 1, (4,)), 2))
    assert policy.act_batch(seen, [{}, {}]).tolist() == again.act_batch(seen, [{}, {}]).tolist()


def test_returns_do_not_depend_on_the_lanes_for_a_model_of_many_inputs_over_a_broker(serve, remote, broker_url):
    PPO("MultiInputPolicy", Sampling(), n_steps=8, batch_size=8).save("model.zip")
    name = "tests.ecosystem.test_policies:Sampling"
    serve(name, capacity=2)
    env = remote(name)
    place = {"observation_space": env.observation_space, "action_space": env.action_space}
    assert list(place["observation_space"].spaces) == list(MULTI.spaces)  # the weights have that order
    alone = rollout(env, load_policy("model.zip", **place), episodes=12, seed=3)
    lanes = RemoteVectorEnv(name, 5, broker_url, autoreset_mode="disabled", make_timeout=20.0)
    try:
        many = rollout_lanes(lanes, load_policy("model.zip", **place, lanes=5), episodes=12, seed=3)
    finally:
        lanes.close()
    local = rollout(Sampling(), load_policy("model.zip", **place), episodes=12, seed=3)
    assert alone.returns.tolist() == many.returns.tolist() == local.returns.tolist()
    assert len(set(alone.returns)) > 3


@pytest.fixture(scope="module")
def url(rabbit, tmp_path_factory):
    """A RabbitMQ at which an env worker serves."""
    with worker(rabbit.url, tmp_path_factory.mktemp("worker") / "log", "CartPole-v1", "--capacity", "8"):
        yield rabbit.url


@pytest.mark.timeout(400)
def test_workers_share_the_evaluation_of_a_model(url, here):
    model = PPO("MlpPolicy", "CartPole-v1", seed=0, n_steps=512, n_epochs=5)
    model.learn(3_000)
    model.save(here / "model.zip")
    command = [sys.executable, "-m", "agent_worker", "run", "CartPole-v1", "--seed", "0", "--episodes", "20", "--json"]
    ways = [[f"{here}/model.zip", "--num-envs", "4"]] * 2 + [[f"ppo:{here}/model.zip", "--num-envs", "1"]]
    agents = [
        subprocess.Popen(
            [*command, "--evaluation", "model", "--policy", *way], env={**environment(url), "OMP_NUM_THREADS": "1"},
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for way in ways
    ]  # fmt: skip
    reports = []
    for agent in agents:
        out, said = agent.communicate(timeout=200)
        assert agent.returncode == 0, said
        reports.append(json.loads(out))
    assert sum(one["played"] for one in reports) == 20
    assert len({json.dumps(one["returns"]) for one in reports}) == 1

    place = {"observation_space": CART_POLE.observation_space, "action_space": CART_POLE.action_space}
    local = rollout(gymnasium.make("CartPole-v1"), load_policy("model.zip", **place), episodes=20, seed=0)
    assert reports[0]["returns"] == local.returns.tolist()
    assert local.return_mean > 50  # it has learnt something: random policies come to 22


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [("missing.zip", 2, "there is no file"), ("policy.pt2", 2, "--trust-policy"), ("weights.pth", 2, "--policy-class")],
)
def test_a_policy_that_cannot_be_loaded_asks_for_no_env(here, name, code, says):
    torch.save(Actor().state_dict(), "weights.pth")
    (here / "policy.pt2").write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip
    command = [sys.executable, "-m", "agent_worker", "run", "CartPole-v1", "--policy", str(here / name)]
    nowhere = environment("amqp://nowhere.invalid/")
    done = subprocess.run(command, env=nowhere, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
