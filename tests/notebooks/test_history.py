"""The notebook runs as it is, on a warehouse that was really filled and published."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from monitoring_pipeline.app import Monitoring

ROOT = Path(__file__).parents[2]


def test_the_notebook_shows_each_source(tmp_path: Path) -> None:
    (tmp_path / "monitoring.yaml").write_text(
        "sources:\n"
        "  - {id: here, checks: [{kind: file, path: monitoring.yaml}]}\n"
        "  - {id: gone, checks: [{kind: file, path: missing.csv, retries: 0}]}\n"
    )
    monitoring = Monitoring.open(tmp_path / "monitoring.yaml")
    monitoring.check_now(["here/file", "gone/file"])
    monitoring.load_history()
    monitoring.publish_history()
    monitoring.close()
    done = subprocess.run(
        [sys.executable, str(ROOT / "notebooks" / "history.py")],
        env={**os.environ, "BUSTA_DIRECTORY": str(tmp_path / ".busta")},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line for line in done.stdout.splitlines() if "here" in line or "gone" in line]
    assert "0.0" in rows[0]
    assert "gone" in rows[0]
    assert "100.0" in rows[1]
