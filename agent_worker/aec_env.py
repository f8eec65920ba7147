"""An env of many agents in another process, as a ``pettingzoo.AECEnv``: agents take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from agent_worker.errors import NotReset
from agent_worker.many_agents import ManyAgents
from agent_worker.pettingzoo_base import AECEnv
from protocol.errors import EncodeError
from protocol.messages import Act, Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.messages import Message


_NOTHING = (None, None)


class RemoteAECEnv(ManyAgents, AECEnv[str, Any, Any]):  # type: ignore[misc]  # PettingZoo is not typed
    """``env_id``, an AEC env hosted by an env worker; one process drives all its agents, in one episode.

    To be used like the env itself (``agent_iter``, ``last``, ``step``): the same seeds and actions give the same runs.
    ``agents``, ``agent_selection``, ``rewards``, ``terminations``, ``truncations`` and ``infos`` are there after the
    first ``reset``, and are those of the env after its last reset or step; to change them changes nothing there.
    Rewards are Python floats, the two flags Python bools, observations writable arrays of the agent's space.

    A step brings the observation of the agent whose turn it is along; ``observe`` asks the worker for any other.

    Arguments as for ``agent_worker.RemoteEnv``; the episode is opened when it is first needed, so that the env can be
    pickled before. Raises (here and in all methods) ``agent_worker.errors.RemoteEnvError`` and
    ``broker.errors.BrokerError``.
    """

    _api: ClassVar[str] = "aec"
    _after_reset: ClassVar[frozenset[str]] = ManyAgents._after_reset | {
        "agent_selection", "rewards", "terminations", "truncations", "infos", "_cumulative_rewards",
    }  # fmt: skip
    agents: list[str]
    """Who is there now, including those that are dead and have not had their last turn yet."""
    agent_selection: str | None
    """Whose turn it is; None when no agent is left."""
    rewards: dict[str, float]
    terminations: dict[str, bool]
    truncations: dict[str, bool]
    infos: dict[str, dict[str, Any]]
    _cumulative_rewards: dict[str, float]
    _ahead: tuple[str | None, Any] = _NOTHING
    """The agent whose observation came along with the last percept, and the coded observation; or None."""

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """As the env's own."""
        self._five(self._restart(seed, options))

    def step(self, action: Any) -> None:  # type: ignore[override]  # it gives five results where there is one agent
        """Let the agent whose turn it is take ``action``; None, and nothing else, if it is dead.

        Raises ``InvalidAction``, before anything is sent, for an action that is not in the agent's space, for an
        action of a dead agent, and for None from a live one; the text names the agent.
        """
        session = self._session or self._open()
        if not self._used:
            raise NotReset(f"{self._wish.env_id}: call reset() before step()")
        wire = self._encode(action)
        self._ahead = _NOTHING  # should the step fail, the env may have gone on all the same
        self._five(session.request(Act, self.step_timeout, action=wire))

    def _encode(self, action: Any) -> Any:
        agent = self.agent_selection if self.agents else None
        if agent is None or self.terminations.get(agent) or self.truncations.get(agent):
            if action is not None:
                who = "no agent is left" if agent is None else "the agent is dead"
                raise self._invalid(f"action[{agent!r}]: expected None, as {who}, got {type(action).__name__}")
            return None
        if action is None:
            raise self._invalid(f"action[{agent!r}]: expected an action, as the agent is alive, got None")
        try:
            return self._done[agent].encode(action)
        except EncodeError as error:
            raise self._invalid(str(error)) from error

    def observe(self, agent: str) -> Any:
        """What ``agent`` sees now. Raises ``InvalidArgument`` for an agent that is not of this env."""
        self._know()
        place, wire = self._ahead
        if agent != place or wire is None:
            wire = self._request("observe", self._checked(agent))
        return self._seen_by(agent, wire)

    def _ask(self, entry: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if entry not in ("observe", "state"):
            self._ahead = _NOTHING  # whatever else is called or set may change what agents see
        return super()._ask(entry, args, kwargs)

    def wait(self, timeout: float) -> Any:
        """After a ``StepTimeout``: wait ``timeout`` seconds more for what ``observe`` and the like give."""
        late = self._open().pending
        value = super().wait(timeout)
        if isinstance(late, Call) and late.name == "observe":
            return self._seen_by(late.args[0], value)
        return value

    def _five(self, message: Message) -> Any:
        """Mirror the env as it is after a reset or a step; gives nothing, as ``step`` does."""
        report = self._read(message, turns=True)
        assert report.cumulative_rewards is not None
        self._ahead = (report.agent_selection, message.observation)  # type: ignore[union-attr]  # a percept has one
        self.agents, self.agent_selection, self.infos = report.agents, report.agent_selection, report.infos
        self.rewards, self._cumulative_rewards = report.rewards, report.cumulative_rewards
        self.terminations, self.truncations = report.terminations, report.truncations
