"""Broker URLs.

``memory://[name]``
    In this process; all connections to one name meet.
``amqp://[user[:password]@]host[:port][/vhost][?option=value&...]``
    RabbitMQ, as its URI specification says: user and password ``guest``, port 5672, virtual host ``/``. What is special
    in a URL is percent-encoded (a virtual host ``/`` is ``%2F``; ``amqp://host`` and ``amqp://host/`` mean it too).
``amqps://...``
    The same over TLS, port 5671. The server's certificate and name are verified unless ``verify=verify_none``.

Options, named as RabbitMQ names them: ``heartbeat`` (seconds, 1 to 600, default 10); of ``amqps`` only: ``cacertfile``
(PEM file of the authorities to trust instead of the system's), ``certfile`` and ``keyfile`` (PEM files of our own
certificate), ``verify`` (``verify_peer`` or ``verify_none``), ``server_name_indication`` (the name to expect in the
certificate instead of the host's).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from broker.errors import InvalidBrokerUrl
from broker.topology import SHORTSTR

DEFAULT_BROKER = "amqp://guest:guest@localhost:5672/"
"""RabbitMQ on this machine, as it is installed: for who names no broker."""

PORTS = {"amqp": 5672, "amqps": 5671}
TLS_OPTIONS = ("cacertfile", "certfile", "keyfile", "verify", "server_name_indication")
EXPECTED = "expected memory://name, amqp://user:password@host:port/vhost or amqps://..."


@dataclass(frozen=True)
class TlsOptions:
    """What ``amqps`` was told about certificates; empty strings are the defaults."""

    cacertfile: str = ""
    certfile: str = ""
    keyfile: str = ""
    verify: bool = True
    server_name: str = ""


@dataclass(frozen=True)
class BrokerUrl:
    """A parsed broker URL. Neither its ``str`` nor its ``repr`` has the password."""

    scheme: str
    host: str
    """Host name or address; of ``memory`` the name."""
    port: int = 0
    user: str = "guest"
    password: str = field(default="guest", repr=False)
    vhost: str = "/"
    heartbeat_s: int = 10
    tls: TlsOptions | None = None

    @property
    def label(self) -> str:
        """The address without user and password, for people."""
        if self.scheme == "memory":
            return f"memory://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        vhost = "" if self.vhost == "/" else quote(self.vhost, safe="")
        return f"{self.scheme}://{host}:{self.port}/{vhost}"

    def __str__(self) -> str:
        return self.label


def label(url: str) -> str:
    """Address in ``url`` without user and password. Raises ``InvalidBrokerUrl``."""
    return parse(url).label


def parse(url: str) -> BrokerUrl:
    """Understand a broker URL. Raises ``InvalidBrokerUrl``, whose text never has the password."""
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        _refuse("it has white space or control characters; percent-encode them")
    try:
        parts = urlsplit(url)
    except ValueError:
        # its own text would quote the part with the password
        raise InvalidBrokerUrl(f"not a broker URL: the host cannot be understood; {EXPECTED}") from None
    if "://" not in url or parts.scheme not in ("memory", *PORTS):
        _refuse("it has no known scheme" if "://" not in url else f"its scheme is {parts.scheme!r}")
    if parts.fragment or any("@" in part for part in (parts.path, parts.query)):
        _refuse("it has a '#', or a '@' after the host: in user, password and vhost write '/' as %2F, '?' as %3F, "
                "'#' as %23 and '@' as %40")  # fmt: skip
    return _memory(parts) if parts.scheme == "memory" else _amqp(parts)


def _memory(parts: SplitResult) -> BrokerUrl:
    if "@" in parts.netloc or parts.path not in ("", "/") or parts.query:
        _refuse("memory://name takes neither user, path nor options")
    return BrokerUrl("memory", unquote(parts.netloc))


def _amqp(parts: SplitResult) -> BrokerUrl:
    account, _, _ = parts.netloc.rpartition("@")
    user, colon, password = account.partition(":")
    try:
        port = parts.port
    except ValueError:
        # the text of the port may be a piece of a password with an unescaped sign
        raise InvalidBrokerUrl(
            "not a broker URL: its port is no number from 0 to 65535 (or '/', '?' or '#' in the user or password is "
            "not percent-encoded)"
        ) from None
    if port == 0:
        _refuse("its port is 0")
    vhost = parts.path[1:]
    if "/" in vhost:
        _refuse("its virtual host has a '/', to be written %2F")
    if len(unquote(vhost).encode()) > SHORTSTR:
        _refuse(f"its virtual host has more than {SHORTSTR} bytes")
    options = _options(parts)
    tls = _tls(options) if parts.scheme == "amqps" else None
    return BrokerUrl(
        parts.scheme, parts.hostname or "localhost", port or PORTS[parts.scheme],
        user=unquote(user) if user else "guest", password=unquote(password) if colon or user else "guest",
        vhost=unquote(vhost) or "/", heartbeat_s=_heartbeat(options), tls=tls,
    )  # fmt: skip


def _options(parts: SplitResult) -> dict[str, str]:
    known = ("heartbeat", *(TLS_OPTIONS if parts.scheme == "amqps" else ()))
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            why = " (of amqps:// only)" if name in TLS_OPTIONS else ""
            _refuse(f"option {name!r} is unknown{why}; {parts.scheme}:// knows {', '.join(known)}")
        if name in found:
            _refuse(f"option {name!r} is given twice")
        found[name] = value
    return found


def _heartbeat(options: dict[str, str]) -> int:
    given = options.get("heartbeat", "10")
    if not (given.isascii() and given.isdigit() and len(given) < 5 and 1 <= int(given) <= 600):
        _refuse(f"option 'heartbeat' is {given!r}; expected whole seconds from 1 to 600")
    return int(given)


def _tls(options: dict[str, str]) -> TlsOptions:
    verify = options.get("verify", "verify_peer")
    if verify not in ("verify_peer", "verify_none"):
        _refuse(f"option 'verify' is {verify!r}; expected 'verify_peer' or 'verify_none'")
    if options.get("keyfile") and not options.get("certfile"):
        _refuse("option 'keyfile' is given without 'certfile'")
    return TlsOptions(
        options.get("cacertfile", ""), options.get("certfile", ""), options.get("keyfile", ""),
        verify == "verify_peer", options.get("server_name_indication", ""),
    )  # fmt: skip


def _refuse(what: str) -> NoReturn:
    raise InvalidBrokerUrl(f"not a broker URL: {what}; {EXPECTED}")
