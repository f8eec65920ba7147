"""What the docs claim of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import gymnasium
import numpy as np
import pytest
from typer.main import get_command

from agent_worker.cli import app as agent_app
from env_worker.cli import app
from env_worker.spaces import to_spec
from gymbroker.cli import app as gymbroker_app
from protocol import data
from protocol.dtypes import NAMES, TEXT_CODE
from protocol.errors import ErrorCode
from protocol.messages import MESSAGES
from protocol.specs import Spec, to_data
from protocol.wire import pack
from tests.support.envs import Everything
from tools.diagram import drawn

ROOT = Path(__file__).parent.parent

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")]
PAGES += sorted(ROOT.glob("docs/*.md"))

PROGRAMS = {"env-worker": app, "agent-worker": agent_app, "gymbroker": gymbroker_app}

LINE = re.compile(r"(?:^\$ |^|`)(env-worker|agent-worker|gymbroker|make) ([a-z][a-z0-9-]+)([^`\n#]*)", re.MULTILINE)
"""A command line: in a block of code, or between backticks."""

EXAMPLES = re.findall(r"^\| `(.+)` \| `([0-9a-f ]+)` \|$", (ROOT / "docs/protocol.md").read_text(), re.MULTILINE)
"""Of values and their bytes on the protocol page."""


def test_the_diagram_of_the_protocol_page_is_the_table():
    page = (ROOT / "docs/protocol.md").read_text()
    assert page == drawn(page), "run `make docs`"


def test_the_protocol_page_lists_every_performative_and_every_error_code():
    page = (ROOT / "docs/protocol.md").read_text()
    for message in MESSAGES:
        assert f"| `{message.performative}` |" in page
    for code in ErrorCode:
        assert f"`{code.value}`" in page


def test_the_protocol_page_lists_every_extension_type():
    page = (ROOT / "docs/protocol.md").read_text()
    codes = {name: code for name, code in vars(data).items() if type(code) is int and code in data.CODES}
    assert set(codes.values()) == data.CODES
    for name, code in codes.items():
        assert f"| {code} | `{name}` |" in page


def test_the_protocol_page_lists_every_dtype_under_its_code():
    codes, names = _rows("dtype code")[0], _rows("dtype")[0]
    assert dict(zip(map(int, codes), names, strict=True)) == {**dict(enumerate(NAMES)), TEXT_CODE: "string"}


def test_the_protocol_page_lists_every_space_by_its_values_and_by_its_map():
    page = (ROOT / "docs/protocol.md").read_text()
    values, maps = (page.partition(f"## {section}")[2].partition("\n## ")[0] for section in ("5. Values", "6. Content"))
    for kind in get_args(Spec):
        name = kind.__name__.removesuffix("Spec")
        assert re.search(rf"^\| (\w+, )*{name}[ ,]", values, re.MULTILINE), name
        assert f"| `{name}` |" in maps


def test_the_protocol_page_names_every_entry_of_the_map_of_a_space():
    seen = set()
    for space in _spaces(to_data(to_spec(Everything().observation_space))):
        ((entries, _),) = _rows(f"`{space['type']}`")
        for name in space.keys() - {"type"}:
            assert f"`{name}`" in entries, f"{space['type']}: {name}"
        seen.add(space["type"])
    assert len(seen) == len(get_args(Spec))


@pytest.mark.parametrize(("expression", "written"), EXAMPLES)
def test_the_bytes_of_an_example_on_the_protocol_page_are_what_is_sent(expression, written):
    assert pack(eval(expression, {"np": np})) == bytes.fromhex(written)


def test_every_extension_type_has_an_example_on_the_protocol_page():
    shown = [bytes.fromhex(written) for _, written in EXAMPLES]
    assert {body[3 if body[0] == 0x93 else 2] for body in shown} == data.CODES


def test_every_link_between_the_pages_leads_somewhere():
    for page in [*PAGES, *ROOT.glob("docs/adr/*.md")]:
        for link in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_on_a_page_is_one_that_there_is(page):
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for program, name, rest in LINE.findall(page.read_text()):
        if program == "make":
            assert name in targets, f"make {name}"
            continue
        command = get_command(PROGRAMS[program]).commands.get(name)
        assert command is not None, f"{program} {name}"
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", rest)) <= options, f"{program} {name} {rest}"


def test_the_readme_shows_lines_of_each_program():
    assert {program for program, _, _ in LINE.findall((ROOT / "README.md").read_text())} == {*PROGRAMS, "make"}


def test_the_change_of_one_line_that_the_readme_shows_gives_what_the_line_before_gave():
    block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    found = {}
    exec(re.sub('broker="[^"]+"', 'broker="memory://"', block), found)
    assert (found["observation"] in gymnasium.make("CartPole-v1").observation_space, found["reward"]) == (True, 1.0)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_that_a_page_on_the_code_names_is_there(page):
    names = {path.name for path in ROOT.glob("*/**/*.py")}
    for name in re.findall(r"[`/ ](\w+\.py)\b", (ROOT / page).read_text()):
        assert name in names, name


def test_the_page_on_environments_names_options_that_there_are():
    page = (ROOT / "docs/environments.md").read_text()
    named = set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", page))
    serve = get_command(app).commands["serve"]
    assert {"--vector", "--factory", "--allow-call"} <= named
    assert named <= {option for parameter in serve.params for option in parameter.opts}


def test_the_page_on_policies_names_options_that_there_are():
    page = (ROOT / "docs/policies.md").read_text()
    named = set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", page))
    run = get_command(agent_app).commands["run"]
    assert {"--policy", "--evaluation", "--trust-policy", "--num-envs"} <= named
    assert named <= {option for parameter in run.params for option in parameter.opts}


def _rows(first: str) -> list[list[str]]:
    """The other cells of the rows of the protocol page that begin with ``first``."""
    lines = (ROOT / "docs/protocol.md").read_text().splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith(f"| {first} |")]
    return [[cell.strip() for cell in row[1:]] for row in rows]


def _spaces(space):
    """The map of a space, and those of all spaces within."""
    yield space
    within = [*space.get("subspaces", []), *(space.get(f"{part}_space") for part in ("feature", "node", "edge"))]
    for part in within:
        if part is not None:
            yield from _spaces(part)
