"""The demo in processes: what ends it when one of them does not."""

from __future__ import annotations

import pytest

from gymbroker import demo


def test_an_agent_worker_that_does_not_end_is_named(monkeypatch, tmp_path):
    (tmp_path / "agent_worker.py").write_text("import time; time.sleep(600)")
    (tmp_path / "env_worker.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "RUN_S", 1.0)
    with pytest.raises(demo.DemoFailed, match="agent-worker did not end within 1 s; the env worker said:"):
        demo.run_demo("amqp://127.0.0.1:1/", 10, tmp_path)
