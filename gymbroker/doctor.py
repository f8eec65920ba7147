"""What is wrong with this machine or the broker, and what to do about it."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_worker.census import Census
from broker import connect
from broker.errors import AccessRefused, BrokerError, InvalidBrokerUrl
from gymbroker.registration import gym

if TYPE_CHECKING:
    from broker.port import Connection

PACKAGES = ("gymbroker", "gymnasium", "gym", "numpy", "msgpack", "pika")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    found: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a dict that is JSON."""
        return asdict(self)


def examine(url: str, timeout_s: float) -> list[Finding]:
    """Look at everything: versions, whether gym works with this numpy, the broker, and who serves there."""
    return [*_packages(), _gym_and_numpy(), *_broker(url, timeout_s)]


def workers_at(url: str, timeout_s: float) -> list[dict[str, Any]]:
    """The env workers at a broker, as they present themselves (``protocol.presence``). Raises ``BrokerError``."""
    connection = connect(url, timeout_s=timeout_s, name="gymbroker status")
    try:
        return _workers(connection)
    finally:
        connection.close()


def _workers(connection: Connection) -> list[dict[str, Any]]:
    census = Census(connection)
    try:
        found = [asdict(presence) for presence in census.find()]
    finally:
        census.close()
    return [{**worker, "envs": list(worker["envs"])} for worker in found]


def _packages() -> list[Finding]:
    found = [Finding("python", True, platform.python_version())]
    for package in PACKAGES:
        try:
            found.append(Finding(package, True, version(package)))
        except PackageNotFoundError:
            found.append(Finding(package, False, "not installed", f"pip install {package}"))
    return found


def _gym_and_numpy() -> Finding:
    """gym 0.26 uses two names that numpy 2 removed; a step of a real env tells."""
    from env_worker.compat import import_gym

    import_gym()
    env = gym.make("CartPole-v1", disable_env_checker=True)
    try:
        env.reset(seed=0)
        env.step(env.action_space.sample())
    except AttributeError as error:
        advice = "serve it with `--backend gymnasium`, or pip install 'numpy<2'"
        text = f"gym {gym.__version__} fails on numpy {np.__version__}: {error}"
        return Finding("gym with numpy", False, text, advice)
    finally:
        env.close()
    restored = "" if hasattr(np, "bool8") and np.lib.NumpyVersion(np.__version__) < "2.0.0" else ", aliases restored"
    return Finding("gym with numpy", True, f"gym {gym.__version__} steps on numpy {np.__version__}{restored}")


def _broker(url: str, timeout_s: float) -> list[Finding]:
    started = time.monotonic()
    try:
        connection = connect(url, timeout_s=timeout_s, name="gymbroker doctor")
    except InvalidBrokerUrl as error:
        advice = "amqp://user:password@host:5672/vhost, in --broker or GYMBROKER_URL"
        return [Finding("broker", False, str(error), advice)]
    except AccessRefused as error:
        return [Finding("broker", False, str(error), "check user, password and virtual host of the URL")]
    except BrokerError as error:
        advice = "start one (docker compose up rabbitmq), or name yours in --broker or GYMBROKER_URL"
        return [Finding("broker", False, str(error), advice)]
    try:
        took_ms = (time.monotonic() - started) * 1e3
        server = " ".join(connection.server.get(name, "") for name in ("product", "version")).strip()
        workers = _workers(connection)
        served = sorted({env_id for worker in workers for env_id in worker["envs"]})
        return [
            Finding("broker", True, f"{server} at {connection.label}, connected in {took_ms:.0f} ms"),
            Finding("env workers", True, f"{len(workers)} there; served: {', '.join(served) or 'nothing'}",
                    "" if workers else "start one: env-worker serve CartPole-v1"),
        ]  # fmt: skip
    except BrokerError as error:
        advice = "the user needs the rights of an agent: see docs/operations.md"
        return [Finding("broker", False, str(error), advice)]
    finally:
        connection.close()
