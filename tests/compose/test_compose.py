"""``docker compose up``, for real: workers find each other, train, scale, drain, and start in any order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.compose.project import LONG_STEPS, STEPS, run, wait_until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(400)]

DONE_S = 180.0


def have_ended(project, service):
    return all(status == "exited" for status, _ in project.states(service))


def episodes_at_work(project):
    return sum(worker["capacity"] - worker["free"] for worker in project.status())


def test_scaled_agents_train_in_scaled_env_workers_and_report(project):
    project.start(env_worker=3, agent_worker=4)
    for service, count in (("agent_worker", 4), ("cartpole_agent", 1)):
        wait_until(f"{service} to end", lambda service=service: have_ended(project, service), DONE_S)
        assert project.states(service) == [("exited", 0)] * count

    reports = project.reports("agent_worker")
    assert [(one["env_id"], one["steps"]) for one in reports] == [("PriceBandit-v0", STEPS)] * 4
    # Random prices earn about 0.5 a step; who has learned earns nearly 1.
    assert all(one["reward_mean_last"] > 0.9 for one in reports)
    (cartpole,) = project.reports("cartpole_agent")
    assert (cartpole["env_id"], cartpole["episodes"]) == ("CartPole-v1", 200)

    assert project.states("env_worker") == [("running", 0)] * 3
    assert len(project.status()) == 3
    assert [one["RestartCount"] for one in project.containers("agent_worker")] == [0] * 4


def test_eight_agents_share_one_evaluation_and_count_each_episode_once(evaluation):
    evaluation.start("agent_worker", env_worker=2, agent_worker=8)
    wait_until("the agents to end", lambda: have_ended(evaluation, "agent_worker"), DONE_S)
    assert evaluation.states("agent_worker") == [("exited", 0)] * 8

    reports = evaluation.reports("agent_worker")
    assert {(one["evaluation"], one["episodes"], one["interrupted"]) for one in reports} == {("of compose", 200, False)}
    assert sum(one["played"] for one in reports) == 200
    assert all(one["returns"] == reports[0]["returns"] for one in reports)


def test_a_stopped_env_worker_lets_its_episodes_finish_and_ends_with_0(long_project_with_passwords):
    project = long_project_with_passwords
    project.start("agent_worker", env_worker=2)
    wait_until("an episode to begin", lambda: episodes_at_work(project) == 1, DONE_S)
    assert project.states("agent_worker") == [("running", 0)]
    project.compose("stop", "env_worker")  # SIGTERM; then Compose waits stop_grace_period, and kills (137)

    assert project.states("env_worker") == [("exited", 0)] * 2
    wait_until("the agent to end", lambda: have_ended(project, "agent_worker"), DONE_S)
    assert project.states("agent_worker") == [("exited", 0)]
    assert [one["steps"] for one in project.reports("agent_worker")] == [LONG_STEPS]
    (agent_end,) = project.ends("agent_worker")
    idle_end, busy_end = sorted(project.ends("env_worker"))
    assert idle_end < agent_end <= busy_end + timedelta(seconds=1)  # the busy one waited for its agent
    said = "".join(project.logs("env_worker") + project.logs("agent_worker"))
    assert "secret" not in said


def test_workers_that_start_before_the_broker_wait_for_it_and_say_so(project):
    services = ("env_worker", "agent_worker")
    project.start(*services, alone=True)
    for service in services:
        wait_until(
            f"{service} to say what it waits for",
            lambda service=service: all("rabbitmq:5672" in text for text in project.logs(service)), DONE_S,
        )  # fmt: skip
    project.start("rabbitmq", alone=True)
    wait_until("the agent to end", lambda: have_ended(project, "agent_worker"), DONE_S)

    assert project.states("agent_worker") == [("exited", 0)]
    assert [one["steps"] for one in project.reports("agent_worker")] == [STEPS]
    assert [one["RestartCount"] for service in services for one in project.containers(service)] == [0, 0]


def test_nothing_outside_the_network_can_use_the_default_credentials(project):
    project.start("rabbitmq")
    (rabbitmq,) = project.containers("rabbitmq")
    assert not any(rabbitmq["NetworkSettings"]["Ports"].values())
    (network,) = rabbitmq["NetworkSettings"]["Networks"]
    assert run("docker", "network", "inspect", "--format", "{{.Internal}}", network).stdout.strip() == "true"

    wait_until(
        "RabbitMQ to be healthy", lambda: project.containers("rabbitmq")[0]["State"]["Health"]["Status"] == "healthy",
        DONE_S,
    )  # fmt: skip
    as_guest = ("--rm", "-T", "-e", "GYMBROKER_URL=amqp://guest:guest@rabbitmq:5672/")
    asked = project.compose("run", *as_guest, "agent_worker", "agent-worker", "ping", check=False)
    assert asked.returncode == 1
    assert "AccessRefused" in asked.stderr
    assert "guest:guest" not in asked.stderr


def test_the_image_runs_as_nobody_special_and_carries_no_tools(image):
    def inside(*command):
        return run("docker", "run", "--rm", "--network", "none", image, *command, check=False)

    assert inside("id", "-u").stdout.strip() == "10001"
    assert inside("sh", "-c", "touch /opt/gymbroker/x").returncode != 0
    assert inside("python", "-m", "pip", "--version").returncode != 0
    (size, base) = (
        int(run("docker", "image", "inspect", "--format", "{{.Size}}", name).stdout)
        for name in (image, "python:3.11-slim-bookworm")
    )
    assert size - base < 150_000_000
