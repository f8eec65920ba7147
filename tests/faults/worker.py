"""An env worker under test: what ``env-worker serve`` runs, with settings that its command line has not (``lease``).

``python -m tests.faults.worker '{"env_ids": [...], "broker": ..., "lease": 1.0, ...}'``
"""

from __future__ import annotations

import json
import sys

from env_worker.logs import configure
from env_worker.settings import WorkerSettings
from env_worker.supervisor import Supervisor, WorkerFailed


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    given = json.loads(sys.argv[1])
    given["env_ids"] = tuple(given["env_ids"])
    given["imports"] = ("tests.faults.envs", "tests.faults.failpoints")
    settings = WorkerSettings(**given)
    configure(settings.verbose)
    try:
        Supervisor(settings).run()
    except WorkerFailed as error:  # as the command line does
        print(f"env-worker: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
