"""What the docs claim of the code."""

from __future__ import annotations

import re
from pathlib import Path

from protocol.errors import ErrorCode
from protocol.messages import MESSAGES
from tools.diagram import drawn

ROOT = Path(__file__).parent.parent


def test_the_diagram_of_the_protocol_page_is_the_table():
    page = (ROOT / "docs/protocol.md").read_text()
    assert page == drawn(page), "run `make docs`"


def test_the_protocol_page_lists_every_performative_and_every_error_code():
    page = (ROOT / "docs/protocol.md").read_text()
    for message in MESSAGES:
        assert f"| `{message.performative}` |" in page
    for code in ErrorCode:
        assert f"`{code.value}`" in page


def test_every_link_between_the_pages_leads_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")]:
        for link in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
