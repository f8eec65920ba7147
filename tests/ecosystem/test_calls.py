"""Libraries that reach past ``step``: masks for MaskablePPO, rewards of goals for HER, by the doors that they know."""

from __future__ import annotations

import pytest
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import DQN, HerReplayBuffer
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from agent_worker.errors import CallRefused
from agent_worker.sb3 import VecEnvAdapter
from env_worker import Allowed
from tests.support.callables import Maskable
from tests.support.equal import identical

MASKED = "sb3_contrib.common.envs:InvalidActionEnvDiscrete"
FLIPPING = "stable_baselines3.common.envs:BitFlippingEnv"
MASKABLE = "tests.support.callables:Maskable"

MASKS = Allowed(call=("action_masks",))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small networks are faster so, and the same on all machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def parameters(model):
    return {name: value.numpy() for name, value in model.policy.state_dict().items()}


def masked(kind, remote, lanes):
    """The env of a local env, of single remote ones, and of remote lanes."""
    if kind == "local":
        from sb3_contrib.common.envs import InvalidActionEnvDiscrete

        return DummyVecEnv([InvalidActionEnvDiscrete] * 2)
    if kind == "single":
        return DummyVecEnv([lambda: remote(MASKED)] * 2)
    return VecEnvAdapter(lanes(MASKED, 2, autoreset_mode="same_step"))


@pytest.mark.parametrize("kind", ["single", "lanes"])
def test_maskable_ppo_learns_what_it_learns_locally(serve, remote, lanes, kind):
    serve(MASKED, allowed=MASKS)

    def learned(which):
        env = masked(which, remote, lanes)
        assert is_masking_supported(env)
        model = MaskablePPO("MlpPolicy", env, n_steps=64, batch_size=64, seed=1, device="cpu")
        return parameters(model.learn(512))

    assert identical(learned(kind), learned("local"))


def test_masks_are_those_of_the_local_env(serve, remote):
    serve(MASKABLE, allowed=MASKS)
    env, local = remote(MASKABLE), Maskable()
    env.reset()
    local.reset()
    for action in (1, 0, 1):
        assert identical(get_action_masks(env), get_action_masks(local))
        env.step(action)
        local.step(action)


def test_masks_that_the_operator_does_not_allow_are_not_supported(serve, remote, lanes):
    serve(MASKABLE)
    adapter = VecEnvAdapter(lanes(MASKABLE, 2, autoreset_mode="same_step"))
    assert not is_masking_supported(remote(MASKABLE))
    assert not is_masking_supported(adapter)
    with pytest.raises(CallRefused, match="they may call, read and set nothing"):
        adapter.env_method("action_masks")


@pytest.mark.parametrize("kind", ["single", "lanes"])
def test_hindsight_experience_replay_computes_rewards_afar(serve, remote, lanes, kind):
    serve(FLIPPING, allowed=Allowed(call=("compute_reward",)), env_kwargs={"n_bits": 4, "continuous": False})

    def learned(env):
        options = {"n_sampled_goal": 4, "goal_selection_strategy": "future"}
        model = DQN(
            "MultiInputPolicy", VecMonitor(env), replay_buffer_class=HerReplayBuffer, replay_buffer_kwargs=options,
            learning_starts=100, batch_size=32, seed=1, device="cpu",
        )  # fmt: skip
        return parameters(model.learn(400))

    far = VecEnvAdapter(lanes(FLIPPING, 1, autoreset_mode="same_step")) if kind == "lanes" else None
    far = far or DummyVecEnv([lambda: remote(FLIPPING)])
    assert identical(learned(far), learned(DummyVecEnv([lambda: BitFlippingEnv(n_bits=4, continuous=False)])))


def test_attributes_and_methods_of_some_lanes(serve, lanes):
    serve(MASKABLE, allowed=Allowed(("action_masks", "echo"), ("gravity",), ("gravity",)))
    env = VecEnvAdapter(lanes(MASKABLE, 3, autoreset_mode="same_step"))
    env.reset()
    env.set_attr("gravity", [1.0, 2.0], indices=[0, 2])
    assert env.get_attr("gravity") == [[1.0, 2.0], 9.8, [1.0, 2.0]]
    assert env.get_attr("gravity", indices=1) == [9.8]
    assert env.env_method("echo", 1, indices=[2], key=2) == [((1,), {"key": 2})]
    assert (env.has_attr("gravity"), env.has_attr("count")) == (True, False)
    with pytest.raises(CallRefused):
        env.set_attr("count", 1)
