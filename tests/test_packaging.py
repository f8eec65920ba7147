"""What a stranger gets from ``pip install gymbroker``: the wheel's content, and that it runs where nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from configparser import ConfigParser
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"protocol", "broker", "env_worker", "agent_worker", "gymbroker"}
START = "gymbroker_start.py"


def run(*command: str | Path, cwd: Path) -> str:
    """Run to the end without what this process has in its environment for Python, and return stdout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy so that no build folder appears in the work tree."""
    source = tmp_path_factory.mktemp("source")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", START):
        shutil.copy(ROOT / name, source)
    (source / "tests").mkdir()
    (source / "tests" / "__init__.py").touch()  # what must stay out
    out = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", out, source, cwd=out)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}


def metadata(contents, name):
    (text,) = (text for path, text in contents.items() if path.endswith(f".dist-info/{name}"))
    return text


def test_the_wheel_holds_the_five_packages_and_where_the_commands_begin_and_nothing_else(contents):
    assert {name.split("/")[0] for name in contents if ".dist-info/" not in name} == PACKAGES | {START}
    sources = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    typed = {f"{name}/py.typed" for name in PACKAGES}
    assert {name for name in contents if ".dist-info/" not in name} == sources | typed | {START}


def test_the_wheel_brings_three_commands(contents):
    parser = ConfigParser()
    parser.read_string(metadata(contents, "entry_points.txt"))
    assert dict(parser["console_scripts"]) == {
        "env-worker": "gymbroker_start:env_worker",
        "agent-worker": "gymbroker_start:agent_worker",
        "gymbroker": "gymbroker_start:gymbroker",
    }


def test_the_wheel_says_its_licence_and_where_it_runs(contents):
    said = message_from_string(metadata(contents, "METADATA"))
    assert (said["License-Expression"], said["Requires-Python"]) == ("Apache-2.0", ">=3.10")
    assert said.get_all("License-File") == ["LICENSE"]
    python = "Programming Language :: Python :: 3."  # docs/operations.md: the suite passes with these
    minors = [text.removeprefix(python) for text in said.get_all("Classifier") if text.startswith(python)]
    assert minors == ["10", "11", "12", "13", "14"]
    assert {"Operating System :: POSIX", "Typing :: Typed"} <= {*said.get_all("Classifier")}


def test_the_lock_has_a_fitting_version_of_all_that_the_project_asks_for(contents):
    asked = [Requirement(text) for text in message_from_string(metadata(contents, "METADATA")).get_all("Requires-Dist")]
    pins = locked("lock.txt")
    heavy = {**pins, **locked("ecosystem.txt")}
    for one in asked:
        extra = str(one.marker) == 'extra == "ecosystem"'
        version = (heavy if extra else pins).get(one.name, "none")
        assert one.name == "gymbroker" or version in one.specifier, f"{one}: run `make lock`, or see ecosystem.txt"


def locked(name):
    """Version by package, of a file in requirements."""
    lines = [line for line in (ROOT / "requirements" / name).read_text().splitlines() if "==" in line]
    pins = [Requirement(line) for line in lines]
    return {pin.name: next(iter(pin.specifier)).version for pin in pins if pin.marker is None or pin.marker.evaluate()}


def test_the_demo_runs_from_the_wheel_in_an_environment_without_the_work_tree(wheel, tmp_path):
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps")
    run(*pip, wheel, cwd=tmp_path)
    # Tests reach no package index, so the dependencies come from the environment that runs the tests, by a .pth file
    # that adds its folder to the path. Python does not follow the .pth files *in* that folder, so the editable install
    # of the work tree, which is made of one, stays out. `make test-wheel` does the same with a real index.
    (site,) = environment.glob("lib/python*/site-packages")
    outer = sysconfig.get_paths()
    (site / "dependencies.pth").write_text(f"{outer['purelib']}\n{outer['platlib']}\n")

    show = f"import importlib\nfor name in {PACKAGES}: print(importlib.import_module(name).__file__)"
    places = run(python, "-c", show, cwd=tmp_path).splitlines()
    assert [Path(place).is_relative_to(site) for place in places] == [True] * 5
    printed = run(environment / "bin" / "gymbroker", "demo", "--steps", "300", "--out", tmp_path, cwd=tmp_path)
    assert "CartPole" in printed
    assert (tmp_path / "gymbroker-demo.png").read_bytes().startswith(b"\x89PNG")
