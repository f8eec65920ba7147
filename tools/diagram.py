"""Draw the state diagram of ``docs/protocol.md`` from the transition table: ``make docs``."""

from __future__ import annotations

from pathlib import Path

from protocol.rules import TRANSITIONS

PAGE = Path(__file__).parent.parent / "docs" / "protocol.md"
BEGIN, END = "<!-- diagram: drawn from protocol/rules.py by `make docs` -->\n", "<!-- end of diagram -->\n"


def diagram() -> str:
    """The transitions in Mermaid."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> new"]
    for state, requests in TRANSITIONS.items():
        lines += [
            f"    {state.value} --> {after.value}: {request.performative} / {reply.performative}"
            for request, replies in requests.items()
            for reply, after in replies.items()
        ]
    return "\n".join([*lines, "    ended --> [*]", "```", ""])


def drawn(page: str) -> str:
    """The page with the diagram of now in it."""
    head, rest = page.split(BEGIN)
    return head + BEGIN + diagram() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
