"""Processes that deliver are killed for real, at every step and at any moment, while another one races them: every
notification arrives, in order within its thread, and twice only where the kill came between answer and record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.stories.delivering import STEPS

ROUNDS = 4 * len(STEPS)  # every second one at a step


def test_nothing_is_lost_and_nothing_comes_twice_without_excuse(store_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.stories.delivering", store_url, str(tmp_path), "--rounds", str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr.decode()
    counted = json.loads(done.stdout)
    assert counted["lost"] == counted["unexcused"] == counted["disordered"] == counted["unsent"] == 0, counted
    # It was no picnic: processes were killed, at steps too, and held leases when they were.
    assert counted["kills"] == ROUNDS and counted["steps_reached"] > ROUNDS / 8, counted
    assert counted["written"] == counted["delivered"] > ROUNDS and counted["interrupted"] > 0, counted
