"""Every notebook runs as it is, on a warehouse with everything in it and on one with nothing, and draws what there is."""

from __future__ import annotations

import json
import random
import runpy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jupytext
import pytest

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store import rollups
from monitoring_pipeline.store.history import open_published
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outlook import results
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.warehouse import open_warehouse
from tests.store.rows import change, result, sample, write

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.py"))
NOW = datetime(2026, 3, 20, 8, tzinfo=UTC)
PICTURES = {"history": 1, "trends": 3, "anomalies": 3, "sla": 2, "quality": 3}
"""How many figures each draws when there is something to draw."""
SERIES = {"source": "orders", "check_id": "web", "metric": "response_time_ms"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of two installations, a full one and an empty one, as `$BUSTA_DIRECTORY` names them."""
    folder = tmp_path_factory.mktemp("published")
    for name in ("full", "empty"):
        store = OperationalStore.open(f"sqlite:///{folder / name}.db", NOW)
        warehouse = folder / f"{name}.duckdb"
        if name == "full":
            _fill(store, warehouse)
        publish(store, warehouse, folder / name / "published" / "warehouse.duckdb", NOW)
        store.close()
    return {name: folder / name for name in ("full", "empty")}


def _fill(store: OperationalStore, warehouse: Path) -> None:
    luck = random.Random(1)
    moments = [NOW - timedelta(days=8) + timedelta(minutes=30 * n) for n in range(8 * 48)]
    write(store, "results", [result("orders", at, "critical" if at.hour == 3 else "healthy") for at in moments])
    write(store, "samples", [sample("orders", at, luck.gauss(100 + at.hour, 5)) for at in moments])
    moves = [("unknown", "healthy", 0), ("healthy", "critical", 4), ("critical", "healthy", 5)]
    write(store, "status_changes", [change("orders", NOW + timedelta(hours=h), a, b) for a, b, h in moves])
    write(store, "quality_runs", [_quality_run(day) for day in range(5)])
    write(store, "events", [{
        "key": "e1", "source": "orders", "check_id": "web", "kind": "anomaly", "subject": "response_time_ms",
        "at": to_us(NOW), "severity": "warning", "text": "812 ms, expected 90-130 ms for Fri 8h", "detail": "{}",
    }])  # fmt: skip
    load_hot(store, warehouse, NOW)
    rollups.roll_up(warehouse, NOW)
    trend = {
        **SERIES, "unit": "ms", "tags": "{}", "since": NOW - timedelta(days=8), "until": NOW, "direction": "upward",
        "strength": 0.7, "slope_per_day": 1.5, "change": 12.0, "change_percent": 11.0, "level": 110.0,
        "volatility": 0.05, "season": 0.4, "p_value": 0.001, "points": 190,
    }  # fmt: skip
    ahead = [
        {**SERIES, "unit": "ms", "tags": "{}", "start": NOW + timedelta(hours=h), "point": 110.0, "low": 95.0,
         "high": 125.0, "share": 0.9, "mase": 0.8}
        for h in range(24)
    ]  # fmt: skip
    with open_warehouse(warehouse, NOW) as connection:
        results.put(connection, NOW, {"trends": [trend], "forecasts": ahead})
        connection.execute("""
            INSERT INTO scores SELECT 'orders', 'web', 'response_time_ms', '{}', TIMESTAMP '2026-03-19' + to_minutes(n * 5),
                   100 + n % 7, n % 4, 103, 90, 120, n % 100 = 99, n % 3, sqrt(n % 3 * (n % 4)) FROM range(200) AS _(n)
        """)
        connection.execute("""
            INSERT INTO baselines SELECT 'orders', 'web', 'response_time_ms', '{}', 'ms', n // 24, n % 24, 90 + n % 24,
                   100 + n % 24, 120 + n % 24, false, TIMESTAMP '2026-03-20' FROM range(168) AS _(n)
        """)
        connection.execute("""
            INSERT INTO sla_days SELECT 'there', 'source', 'orders', DATE '2026-03-01' + n::INTEGER,
                   TIMESTAMP '2026-03-01' + to_days(n::INTEGER), TIMESTAMP '2026-03-02' + to_days(n::INTEGER), 'us',
                   86000000000, 100000000, 300000000, 0, 86000000000, 100000000, 300000000, 0, 'f', 0, 0,
                   TIMESTAMP '2026-03-20' FROM range(19) AS _(n)
        """)


def _quality_run(day: int) -> dict[str, object]:
    at = to_us(NOW - timedelta(days=5 - day))
    finding = {
        "name": "ids are unique", "type": "expect_column_values_to_be_unique", "text": "3 of 100 rows repeat an id",
        "met": False, "dimension": "uniqueness", "severity": "critical", "rows": [{"id": 7}],
    }  # fmt: skip
    profile = {"columns": [{"name": "id", "type": "BIGINT", "nulls": 0, "distinct": 97},
                           {"name": "mail", "type": "VARCHAR", "nulls": 12, "distinct": 80}], "examined": 100}  # fmt: skip
    return {
        "source": "orders", "suite": "orders-rows", "started": at, "at": at, "status": "critical", "score": 80.0 + day,
        "rows": 100.0, "expectations": 2, "failed": 1, "errors": 0, "message": "ids are unique: 3 of 100",
        "dimensions": json.dumps({"uniqueness": 70.0 + day, "completeness": 94.0}), "profile": json.dumps(profile),
        "findings": json.dumps([finding]),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _no_display(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs a notebook; how many figures it drew, each of which shows something."""
    import matplotlib.pyplot as plt

    monkeypatch.setenv("BUSTA_DIRECTORY", str(folder))
    runpy.run_path(str(NOTEBOOKS / f"{name}.py"))["warehouse"].close()
    figures = [plt.figure(number) for number in plt.get_fignums()]
    for figure in figures:
        assert all(axes.has_data() for axes in figure.axes)
        figure.canvas.draw()
    return len(figures)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_draws_what_there_is(
    name: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(name, folders["full"], monkeypatch) == PICTURES[name]
    assert "orders" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_so_when_there_is_nothing(
    name: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(name, folders["empty"], monkeypatch) == 0
    said = capsys.readouterr().out
    assert "yet" in said or "0 rows" in said


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_its_pair(name: str):
    path = NOTEBOOKS / f"{name}.ipynb"
    cells = json.loads(path.read_text())["cells"]
    edited = jupytext.read(NOTEBOOKS / f"{name}.py").cells
    shown = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    assert shown == [(cell.cell_type, cell.source) for cell in edited], "run: make docs"
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert "open_published()" in code[0]
    for each in code:
        compile(each, name, "exec")


def test_the_nearest_installation_is_opened(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("BUSTA_DIRECTORY", raising=False)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    with pytest.raises(StoreError, match="there is no published warehouse at"):
        open_published()
    (tmp_path / ".busta").symlink_to(folders["full"])
    with open_published() as connection:
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (8 * 48,)
