"""Write the golden bytes of every example message: ``make golden``. A change needs a new wire version and an ADR."""

from __future__ import annotations

from pathlib import Path

from protocol.codec import encode
from tests.protocol.examples import EXAMPLES

GOLDEN = Path(__file__).parent.parent / "tests" / "protocol" / "golden"

for old in GOLDEN.glob("*.hex"):
    old.unlink()
for name, message in EXAMPLES.items():
    (GOLDEN / f"{name}.hex").write_text(encode(message).hex() + "\n")
