"""Machine code is made once per installation, and no check waits for it."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitoring_pipeline.alerting.scored import Scored
from monitoring_pipeline.analysis.scoring import machine_code
from monitoring_pipeline.analysis.scoring.machine_code import Beside
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.store.operational import OperationalStore
from tests.analysis.scoring.samples import T0, Bench, batches

LOOP = """
from monitoring_pipeline.analysis.detection.compiled import Made, compiled

@compiled
def double(x: int) -> int:
    return 2 * x

made = Made(double)
print(bool(made))
double(3)
made.note()
print(bool(made))
"""


def run(file: Path) -> list[str]:
    return subprocess.run([sys.executable, file], capture_output=True, text=True, check=True).stdout.split()


def test_code_is_made_anew_when_its_file_changed(tmp_path: Path) -> None:
    file = tmp_path / "loop.py"
    file.write_text(LOOP)
    assert run(file) == ["False", "True"]
    assert run(file) == ["True", "True"]
    file.write_text(LOOP.replace("2 * x", "3 * x + 1"))
    assert run(file) == ["False", "True"]


def until(code: Beside) -> None:
    while not code.is_there():
        time.sleep(0.05)


def test_a_process_of_its_own_makes_it_and_samples_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(OperationalStore.open(f"sqlite:///{tmp_path / 'operational.db'}", T0), tmp_path, AnalysisSpec())
    scoring = bench.scoring()
    with bench.store.write() as connection:
        scoring.advance(connection, T0)
    for samples in batches(3):
        bench.record(samples)

    class Missing(SimpleNamespace):
        def __bool__(self) -> bool:
            return False

    monkeypatch.setattr(machine_code, "_MADE", Missing(folder=tmp_path))
    code = Beside()
    scored = Scored(scoring, None, code)
    monkeypatch.setattr(code, "is_there", lambda: False)
    scored.load()
    with bench.store.write() as connection:
        assert not scored.is_due(connection, T0)
        scored.judge(connection, (), (), T0)
    monkeypatch.undo()
    until(code)  # what is in force there finds that it is made, or makes it
    with bench.store.write() as connection:
        now = T0 + timedelta(hours=3)
        assert scored.is_due(connection, now)
        scored.judge(connection, (), (), now)
        assert not scored.is_due(connection, now)
    scored.close()
    assert len(bench.scoring().scorer.roster) == 3
    bench.store.close()
