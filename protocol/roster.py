"""What one percept says of many agents, written and read in one place.

``status`` names the possible agents of the env: the keys of its two ``Dict`` spaces, in one order for the whole
episode. Each has its place in ``reward``, ``terminated`` and ``truncated`` (and, where all act at once, in
``observation`` and ``action``), whether it lives or not; ``info`` says the rest:

======================  ===============================================================================================
``agents``              list: who lives now, in the env's order
``infos``               dict: what the env says to each agent. Its keys are whom the percept is about, in order
``keys``                only where they differ from those of ``infos``: dict, of ``observations``, ``rewards``,
                        ``terminations``, ``truncations`` or ``cumulative_rewards`` to the list of its own keys
``others``              only where there are any: dict, of the same names to a dict of what has no place because its
                        key is no possible agent (``__all__``, ``common``), as free data
``agent_selection``     where agents take turns: whose turn it is, or None
``cumulative_rewards``  where agents take turns: bytes like ``reward``
======================  ===============================================================================================
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from protocol.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.messages import Percept


@dataclass(slots=True)
class Report:
    """What came of a reset or a step, by agent. Key and order of each dict are the env's own."""

    agents: list[str]
    """Who lives now."""
    infos: dict[Any, Any]
    rewards: dict[Any, float]
    terminations: dict[Any, bool]
    truncations: dict[Any, bool]
    observations: dict[Any, Any] | None = None
    """Coded, one for each agent; None where agents take turns: there only one travels, as ``Percept.observation``."""
    cumulative_rewards: dict[Any, float] | None = None
    """Where agents take turns: what each has gained since its last turn."""
    agent_selection: str | None = None
    """Where agents take turns: whose turn it is."""


class Roster:
    """The possible agents of an env, each with its place."""

    def __init__(self, agents: Iterable[str]) -> None:
        self.agents = list(agents)
        self._places = {agent: place for place, agent in enumerate(self.agents)}
        self._floats = struct.Struct(f"<{len(self.agents)}d")

    def write(self, report: Report) -> dict[str, Any]:
        """Fields of a percept; ``observation`` only if the report has observations. Raises ``EncodeError``."""
        strangers = [agent for agent in report.agents if agent not in self._places]
        if strangers:
            raise EncodeError(f"agents: expected possible agents only, got {strangers[0]!r:.80} too")
        info: dict[str, Any] = {"agents": list(report.agents), "infos": dict(report.infos)}
        fields: dict[str, Any] = {
            "reward": self._floats.pack(*self._spread("rewards", report.rewards, 0.0, info)),
            "terminated": bytes(self._spread("terminations", report.terminations, False, info)),
            "truncated": bytes(self._spread("truncations", report.truncations, False, info)),
            "info": info,
        }
        if report.observations is not None:
            fields["observation"] = self._spread("observations", report.observations, None, info)
        if report.cumulative_rewards is not None:
            cumulative = self._spread("cumulative_rewards", report.cumulative_rewards, 0.0, info)
            info["cumulative_rewards"] = self._floats.pack(*cumulative)
            info["agent_selection"] = report.agent_selection
        return fields

    def _spread(self, name: str, part: dict[Any, Any], absent: Any, info: dict[str, Any]) -> list[Any]:
        """The values of ``part`` at their places; what is odd about its keys goes to ``info``."""
        if list(part) != list(info["infos"]):
            info.setdefault("keys", {})[name] = list(part)
        if not part.keys() <= self._places.keys():
            others = {key: value for key, value in part.items() if key not in self._places}
            info.setdefault("others", {})[name] = others
        return [part.get(agent, absent) for agent in self.agents]

    def read(self, percept: Percept, *, turns: bool) -> Report:
        """What a percept says; ``turns``: whether the agents take turns. Raises ``DecodeError``."""
        info = percept.info
        agents, infos = _get(info, "agents", list), _get(info, "infos", dict)
        if not all(type(agent) is str and agent in self._places for agent in agents):
            raise DecodeError("info 'agents': expected possible agents")
        selection = info.get("agent_selection") if turns else None
        if selection is not None and (type(selection) is not str or selection not in self._places):
            raise DecodeError("info 'agent_selection': expected a possible agent or None")
        report = Report(
            agents=agents,
            infos=infos,
            rewards=self._gather("rewards", self._floats_of(percept.reward), info),
            terminations=self._gather("terminations", self._flags_of(percept.terminated), info),
            truncations=self._gather("truncations", self._flags_of(percept.truncated), info),
        )
        if turns:
            cumulative = self._floats_of(info.get("cumulative_rewards"))
            report.cumulative_rewards = self._gather("cumulative_rewards", cumulative, info)
            report.agent_selection = selection
        else:
            report.observations = self._gather("observations", self._list_of(percept.observation), info)
        return report

    def _gather(self, name: str, values: Any, info: dict[Any, Any]) -> dict[Any, Any]:
        """A part, by its own keys in their own order."""
        keys, others = info.get("keys", {}), info.get("others", {})
        order: Any = keys.get(name, info["infos"]) if type(keys) is dict else None
        strange: Any = others.get(name, {}) if type(others) is dict else None
        if type(order) not in (list, dict) or type(strange) is not dict or values is None:
            raise DecodeError(f"{name}: expected one value for each of {len(self.agents)} possible agents, and keys")
        try:
            return {key: values[self._places[key]] if key in self._places else strange[key] for key in order}
        except (KeyError, TypeError):  # a key that is nobody, or no key at all
            raise DecodeError(f"{name}: a key that is no possible agent and has no value of its own") from None

    def _floats_of(self, wire: Any) -> Any:
        return self._floats.unpack(wire) if type(wire) is bytes and len(wire) == self._floats.size else None

    def _flags_of(self, wire: Any) -> Any:
        fits = type(wire) is bytes and len(wire) == len(self.agents) and not set(wire) - {0, 1}
        return [flag == 1 for flag in wire] if fits else None

    def _list_of(self, wire: Any) -> Any:
        return wire if type(wire) is list and len(wire) == len(self.agents) else None


def _get(info: dict[Any, Any], name: str, kind: type) -> Any:
    value = info.get(name)
    if type(value) is not kind:
        raise DecodeError(f"info {name!r}: expected {kind.__name__}, got {type(value).__name__}")
    return value
