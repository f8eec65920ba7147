"""Who is there: what env workers announce on the lossy presence exchange, and how anybody asks them to."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from protocol.errors import DecodeError
from protocol.wire import pack, unpack

ASK = "ask"
"""Routing key of a question to all workers; its body is empty. Each answers with its presence at once."""

WORKERS = "worker.*"
"""Pattern of the keys that workers announce themselves with."""


@dataclass(frozen=True, slots=True)
class Presence:
    """One env worker process."""

    worker: str
    """Its name, for people: ``host/pid``."""
    incarnation: str
    envs: tuple[str, ...]
    """Env ids that it serves."""
    capacity: int
    """Episodes that it can hold."""
    free: int
    """Episodes that it could still take."""
    draining: bool = False

    @property
    def key(self) -> str:
        """Routing key to announce it with."""
        return f"worker.{self.incarnation}"

    def encode(self) -> bytes:
        """Bytes of the announcement."""
        return pack({**asdict(self), "envs": list(self.envs)})

    @classmethod
    def decode(cls, body: bytes) -> Presence:
        """The announcement in ``body``. Raises ``DecodeError``."""
        fields = unpack(body)
        if type(fields) is not dict:
            raise DecodeError("presence is a map")
        wanted = {"worker": str, "incarnation": str, "envs": list, "capacity": int, "free": int, "draining": bool}
        for name, kind in wanted.items():
            if type(fields.get(name)) is not kind:
                raise DecodeError(f"presence {name!r}: expected {kind.__name__}, got {type(fields.get(name)).__name__}")
        envs = fields["envs"]
        if not all(type(env_id) is str for env_id in envs):
            raise DecodeError("presence 'envs': expected strings")
        if not all(text.isprintable() for text in (fields["worker"], *envs)):  # people see them in their terminals
            raise DecodeError("presence: a name has control characters")
        return cls(**{**{name: fields[name] for name in wanted}, "envs": tuple(envs)})
