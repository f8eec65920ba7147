"""A throw-away certificate authority, and a server certificate for ``localhost`` that it signs. Needs ``openssl``.

Both have the extensions that RFC 5280 demands: Python 3.13 and newer refuse any others (``VERIFY_X509_STRICT``).
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


SERVER = """
subjectAltName=DNS:localhost,IP:127.0.0.1
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


def make(folder: Path) -> None:
    """Write ``ca.pem``, ``server.pem`` and ``server.key`` (valid for a day) into ``folder``."""
    (folder / "server.ext").write_text(SERVER)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = ["-days", "1", "-subj", "/CN=test CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    _openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", *authority)
    _openssl(folder, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    signed_by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "server.ext"]
    _openssl(folder, "x509", "-req", "-in", "server.csr", *signed_by, "-out", "server.pem")


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise AssertionError(f"openssl {arguments[0]} failed: {done.stderr}")
