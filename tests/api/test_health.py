"""Health as JSON over a real server and a real store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from monitoring_pipeline.records import Status
from tests.api.conftest import Installation, serving, wait_until


@pytest.fixture
def client(installation):
    with serving(installation.monitoring) as found:
        yield found


def test_unknown_before_the_first_result(client):
    health = client("/health").json()
    assert health["status"] == "unknown"
    assert health["watching"] is False
    assert health["score"] is None
    assert health["counts"] == {"healthy": 0, "unknown": 3, "warning": 0, "critical": 0}


def test_status_reason_and_counts(installation: Installation):
    installation.serve()
    installation.found("orders-api", Status.CRITICAL, "response_time_ms (812) < 300", 812)
    installation.found("orders-db", Status.HEALTHY)
    with serving(installation.monitoring) as client:
        health = client("/health").json()
        components = client("/health/components").json()["components"]
        source = client("/health/sources/orders-api").json()
    assert (health["status"], health["watching"], health["name"]) == ("critical", True, "shop")
    assert health["counts"] == {"healthy": 1, "unknown": 1, "warning": 0, "critical": 1}
    by_id = {component["id"]: component for component in components}
    assert by_id["web"]["status"] == "critical"
    assert by_id["web"]["sources"][0]["reason"] == "http: response_time_ms (812) < 300"
    assert [found["id"] for found in by_id["data"]["sources"]] == ["orders-db", "nightly-export"]
    assert source["checks"][0]["message"] == "response_time_ms (812) < 300"
    assert source["depends_on"] == ["orders-db"]
    assert source["since"] is not None


def test_what_changes_is_seen_soon(installation: Installation):
    installation.found("orders-api", Status.HEALTHY)
    with serving(installation.monitoring) as client:
        assert client("/health/sources/orders-api").json()["status"] == "healthy"
        installation.found("orders-api", Status.CRITICAL, "down")
        wait_until(lambda: client("/health/sources/orders-api").json()["status"] == "critical", 15)


def test_unknown_source_names_the_nearest(client):
    answer = client("/health/sources/orders-apu")
    assert answer.status == 404
    assert "orders-api" in answer.json()["detail"]


def test_live_and_ready(client):
    assert client("/live").json()["alive"] is True
    assert client("/ready").json() == {"ready": True, "reasons": []}


def test_head_answers_like_get_without_a_body(client):
    answer = client("/health", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


def test_monitoring_itself(installation: Installation):
    with serving(installation.monitoring) as client:
        assert client("/health/monitoring").status == 503
        installation.serve()
        wait_until(lambda: client("/health/monitoring").status == 200, 15)


def test_silence_of_the_runner_shows(installation: Installation):
    installation.serve(ago_s=3600)
    with serving(installation.monitoring) as client:
        answer = client("/health/monitoring")
    assert answer.status == 503
    assert answer.json()["heartbeat"] is not None


def test_broken_store_is_503_with_a_reason(installation: Installation):
    path = installation.monitoring.store.sqlite_path
    installation.monitoring.store.close()
    path.write_bytes(b"this is no database" * 1000)
    for extra in ("-wal", "-shm"):
        path.with_name(path.name + extra).unlink(missing_ok=True)
    with serving(installation.monitoring) as client:
        for url in ("/health", "/health/components", "/health/sources/orders-api", "/health/monitoring", "/ready"):
            answer = client(url)
            assert answer.status == 503, url
            assert "not a database" in answer.text, url
        assert client("/live").status == 200
        page = client("/")
        assert page.status == 503
        assert "The status cannot be read" in page.text


def test_a_deleted_store_is_not_ready(installation: Installation):
    installation.monitoring.store.sqlite_path.unlink()
    with serving(installation.monitoring) as client:
        answer = client("/ready")
    assert answer.status == 503
    assert "is gone" in answer.json()["reasons"][0]


def test_a_newer_schema_is_not_ready(installation: Installation):
    with sqlite3.connect(installation.monitoring.store.sqlite_path) as other:
        other.execute("INSERT INTO schema_version (version, name, applied) VALUES (999, 'future', 0)")
    with serving(installation.monitoring) as client:
        answer = client("/ready")
    assert answer.status == 503
    assert "999" in answer.json()["reasons"][0]


def test_the_description_is_tidy(client):
    api = client("/openapi.json").json()
    tags = {tag["name"] for tag in api["tags"]}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            assert operation["tags"][0] in tags, path
            assert operation["description"], path
            if path.startswith("/health"):
                schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
                assert api["components"]["schemas"][schema]["examples"], (path, method)
    page = client("/docs").text
    assert all(path in page for path in api["paths"])


def test_examples_fit_their_models():
    from pydantic import BaseModel

    from monitoring_pipeline.api import answers

    classes = [found for found in vars(answers).values() if isinstance(found, type)]
    models = [found for found in classes if issubclass(found, BaseModel) and found is not BaseModel]
    with_examples = [m for m in models if m.model_config.get("json_schema_extra")]
    assert len(with_examples) >= 8
    for model in with_examples:
        for example in model.model_config["json_schema_extra"]["examples"]:
            model.model_validate(example)


def test_heavy_libraries_stay_out(installation: Installation):
    code = """
import sys
from pathlib import Path
from monitoring_pipeline.api import create_app
from monitoring_pipeline.app import Monitoring
monitoring = Monitoring.open(Path(sys.argv[1]))
create_app(monitoring)
monitoring.overview()
heavy = {"great_expectations", "sklearn", "statsmodels", "pandas", "numpy", "dagster", "duckdb", "pyarrow"}
print(sorted(heavy & set(sys.modules)))
"""
    command = [sys.executable, "-c", code, str(installation.path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
