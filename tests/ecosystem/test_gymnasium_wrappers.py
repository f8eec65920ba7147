"""Those of Gymnasium's wrappers that need more than numpy: moviepy, OpenCV, pygame, PyTorch. The rest: tests/e2e."""

from __future__ import annotations

from functools import partial

import ale_py
import gymnasium
import numpy as np
import torch
from gymnasium import wrappers
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers import vector
from moviepy import VideoFileClip

from env_worker import EmbeddedWorker, WorkerSettings

CARTPOLE = "CartPole-v1"
FRAMES = {"render_mode": "rgb_array"}


def local():
    return gymnasium.make(CARTPOLE, disable_env_checker=True, **FRAMES)


def length_and_size(video):
    with VideoFileClip(str(video)) as clip:
        return round(clip.duration * clip.fps), clip.size


def test_a_run_of_a_remote_env_becomes_a_video(serve, remote, tmp_path):
    serve(CARTPOLE)
    record = {"video_folder": str(tmp_path / "videos"), "episode_trigger": lambda episode: episode == 0}
    env = wrappers.RecordVideo(remote(CARTPOLE, **FRAMES), **record)
    env.reset(seed=1)
    steps, ended = 0, False
    while not ended:
        _, _, terminated, truncated, _ = env.step(1)
        steps, ended = steps + 1, terminated or truncated
    env.close()
    (video,) = (tmp_path / "videos").glob("*.mp4")
    assert video.name == "rl-video-episode-0.mp4"
    assert length_and_size(video) == (steps + 1, [600, 400])


def test_lanes_of_a_remote_env_become_a_video(serve, lanes, tmp_path):
    serve(CARTPOLE)
    record = {"video_folder": str(tmp_path / "videos"), "step_trigger": lambda step: step == 0, "video_length": 20}
    env = vector.RecordVideo(lanes(CARTPOLE, 3, **FRAMES), **record)
    env.reset(seed=1)
    for _ in range(30):
        env.step(env.action_space.sample())
    env.close()
    (video,) = (tmp_path / "videos").glob("*.mp4")
    assert length_and_size(video)[0] == 21  # one of the reset, and so many steps


def test_frames_of_a_remote_env_are_shrunk_as_those_of_a_local_one(serve, remote):
    def wrap(env):
        env = wrappers.GrayscaleObservation(wrappers.AddRenderObservation(env))
        return wrappers.FrameStackObservation(wrappers.ResizeObservation(env, (84, 84)), 4)

    serve(CARTPOLE)
    ours, theirs = wrap(remote(CARTPOLE, **FRAMES)), wrap(local())
    np.testing.assert_array_equal(ours.reset(seed=1)[0], theirs.reset(seed=1)[0])
    for action in (0, 1, 1):
        np.testing.assert_array_equal(ours.step(action)[0], theirs.step(action)[0])
    assert ours.observation_space.shape == (4, 84, 84)
    theirs.close()


def test_a_remote_env_is_watched_in_a_window_of_the_agents_machine(serve, remote, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    serve(CARTPOLE)
    env = wrappers.HumanRendering(remote(CARTPOLE, **FRAMES))
    env.reset(seed=1)
    env.step(1)
    assert env.screen_size == (600, 400)
    env.close()


def test_tensors_go_in_and_come_out(serve, remote, lanes):
    serve(CARTPOLE, capacity=2)
    env, envs = wrappers.NumpyToTorch(remote(CARTPOLE)), vector.NumpyToTorch(lanes(CARTPOLE, 3))
    theirs = vector.NumpyToTorch(SyncVectorEnv([local] * 3))
    assert torch.equal(env.reset(seed=1)[0], envs.reset(seed=1)[0][0])
    theirs.reset(seed=1)
    actions = torch.tensor([0, 1, 1])
    seen = envs.step(actions)
    torch.testing.assert_close(seen, theirs.step(actions), rtol=0, atol=0)
    assert torch.equal(env.step(actions[0])[0], seen[0][0])
    theirs.close()


def test_remote_envs_in_the_processes_of_async_vector_env(amqp_url):
    with EmbeddedWorker(WorkerSettings((CARTPOLE,), broker=amqp_url)):
        by_id = partial(gymnasium.make, f"gymbroker:remote/{CARTPOLE}", broker=amqp_url)
        ours, theirs = AsyncVectorEnv([by_id] * 2), SyncVectorEnv([local] * 2)
        np.testing.assert_equal(ours.reset(seed=1), theirs.reset(seed=1))
        np.testing.assert_equal(ours.step(np.array([0, 1])), theirs.step(np.array([0, 1])))
        ours.close()
        theirs.close()


class Atari:
    """A factory for `env-worker serve --factory`: these wrappers read the emulator itself, so they stand beside it."""

    ids = ("PreprocessedPong-v0",)

    def make(self, env_id, **kwargs):
        gymnasium.register_envs(ale_py)
        pong = gymnasium.make("ALE/Pong-v5", frameskip=1, disable_env_checker=True)
        return wrappers.FrameStackObservation(wrappers.AtariPreprocessing(pong), 4)


def test_wrappers_that_read_the_simulator_itself_stand_beside_it_at_the_worker(serve, remote):
    serve(*Atari.ids, factory="tests.ecosystem.test_gymnasium_wrappers:Atari")
    ours, theirs = remote(*Atari.ids), Atari().make(*Atari.ids)
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    np.testing.assert_equal(ours.reset(seed=1), theirs.reset(seed=1))
    for action in (0, 2, 3):
        np.testing.assert_equal(ours.step(action), theirs.step(action))
    theirs.close()
