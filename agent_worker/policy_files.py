"""Policies in files: models of Stable-Baselines3 and modules of PyTorch. What is wrong with one is said before an
environment is asked for.

A pickle is a program: who loads it runs what its maker wrote. So nothing is unpickled here unless the user says that
the file's maker is trusted (``trust``). Without that,

* of a Stable-Baselines3 zip only weights, plain data and names of PyTorch's and Stable-Baselines3's classes are read;
* TorchScript modules are loaded, which hold no pickled Python, and weights (``state_dict``) for a class of the user's;
* ``torch.export`` programs (.pt2, pickles inside) and pickled modules are refused.
"""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from agent_worker.acting import PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

SB3, TORCH = (".zip",), (".pt", ".pth", ".pt2")

TRUST = "say --trust-policy if you trust who made it"


def is_file(name: str, suffixes: Sequence[str] = SB3 + TORCH) -> bool:
    """Whether ``name`` names a file of one of these kinds."""
    return Path(name).suffix.lower() in suffixes


def check(name: str, path: Path, library: str, package: str) -> None:
    """Raise ``PolicyError`` if ``path`` cannot be read, or ``library`` is not installed (``package`` has it)."""
    if not path.is_file():
        raise PolicyError(f"policy {name!r}: there is no file {str(path.absolute())!r}")
    if importlib.util.find_spec(library) is None:
        raise PolicyError(f"policy {name!r} needs {library}: pip install {package}")


def entries(name: str, path: Path) -> list[str]:
    """Names of what is in a zip file. Raises ``PolicyError`` if it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise PolicyError(f"policy {name!r} cannot be read: {error}") from error


def fingerprint(name: str) -> str:
    """``name`` without folders, and for a file with a hash of what is in it: what tells two policies apart."""
    if not is_file(name):
        return name
    path = Path(name.rpartition(":")[2] if is_file(name, SB3) else name)
    return f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
