"""Settings of an env worker: what makes no sense is refused by its name."""

from __future__ import annotations

import pytest

from env_worker.settings import WorkerSettings

NAN, INF = float("nan"), float("inf")
TIMES = ("step_timeout", "connect_timeout", "lease", "seat_timeout")


def test_the_defaults_are_accepted():
    assert WorkerSettings(("CartPole-v1",)).env_ids == ("CartPole-v1",)


def test_no_password_is_shown():
    assert "secret" not in repr(WorkerSettings(("CartPole-v1",), broker="amqp://owner:secret@localhost/"))


def test_an_env_id_that_no_queue_can_be_named_by_is_refused():
    with pytest.raises(ValueError, match="at most 255 bytes in AMQP"):
        WorkerSettings(("CartPole-v1", "A" * 300))


def test_a_worker_without_env_ids_is_refused():
    with pytest.raises(ValueError, match="name at least one env id"):
        WorkerSettings(())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("backend", "openai", "one of auto, gymnasium, gym"),
        ("vector", "async", "one of loop, entry-point, envpool"),
        ("missing_seat", "wait", "one of default, forfeit"),
        ("isolation", "jail", "one of none, process"),
        ("capacity", 0, "1 or more"),
        ("processes", 0, "1 or more"),
        ("max_num_envs", 0, "1 or more"),
        *((name, value, "more than 0") for name in TIMES for value in (0, NAN, INF)),
        *(
            (name, value, "0 or more")
            for name in ("idle_timeout", "drain_timeout", "resume_window")
            for value in (-1, NAN, INF)
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name, value, expected):
    with pytest.raises(ValueError, match=rf"^{name}: expected {expected}.*got '?{value}'?$"):
        WorkerSettings(("CartPole-v1",), **{name: value})


def test_a_limit_of_memory_is_of_a_process_of_an_env_s_own():
    with pytest.raises(ValueError, match="memory_limit: it is of a process of an env's own, and isolation is none"):
        WorkerSettings(("CartPole-v1",), memory_limit=2**29)
    assert WorkerSettings(("CartPole-v1",), memory_limit=2**29, isolation="process").memory_limit == 2**29


@pytest.mark.parametrize("name", ["idle_timeout", "drain_timeout", "resume_window"])
def test_a_time_that_may_be_none_at_all_may_be_zero(name):
    assert getattr(WorkerSettings(("CartPole-v1",), **{name: 0}), name) == 0


def test_kwargs_are_of_every_env():
    settings = WorkerSettings(("A-v0", "B-v0"), env_kwargs={"limit": 3})

    assert settings.kwargs_of("A-v0") == settings.kwargs_of("B-v0") == {"limit": 3}


def test_kwargs_under_served_ids_are_of_each_env():
    settings = WorkerSettings(("A-v0", "B-v0"), env_kwargs={"A-v0": {"limit": 3}})

    assert settings.kwargs_of("A-v0") == {"limit": 3}
    assert settings.kwargs_of("B-v0") == {}


def test_what_is_done_to_the_kwargs_of_one_env_does_not_change_the_settings():
    settings = WorkerSettings(("A-v0",), env_kwargs={"limit": 3})
    settings.kwargs_of("A-v0")["limit"] = 4

    assert settings.kwargs_of("A-v0") == {"limit": 3}
