"""`python -m monitoring_pipeline.api` as a process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest

from tests.api.conftest import Installation, process


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_gracefully_and_logs_no_access(installation: Installation, stop):
    token = urlsplit(installation.monitoring.push_url("nightly-export/heartbeat")).path
    with process(installation.path) as (started, client):
        assert client(token).status == 200
        assert client("/").status == 200
        started.send_signal(stop)
        _, stderr = started.communicate(timeout=30)
    assert started.returncode == 0
    assert token.encode() not in stderr
    assert b"Traceback" not in stderr


def test_an_idle_connection_does_not_hold_it_up(installation: Installation):
    with process(installation.path) as (started, client), socket.create_connection(("127.0.0.1", client.port)) as idle:
        idle.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")
        started.send_signal(signal.SIGTERM)
        started.wait(30)


def test_a_push_under_way_is_finished_before_it_stops(installation: Installation):
    path = urlsplit(installation.monitoring.push_url("nightly-export/heartbeat")).path
    with process(installation.path) as (started, client), socket.create_connection(("127.0.0.1", client.port)) as job:
        job.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nha".encode())
        threading.Timer(0.5, lambda: job.sendall(b"lf")).start()
        threading.Timer(0.2, lambda: started.send_signal(signal.SIGTERM)).start()
        job.settimeout(30)
        assert job.recv(100).startswith(b"HTTP/1.1 200")
        started.wait(30)


def test_a_wrong_configuration_is_told_in_words(tmp_path):
    path = tmp_path / "monitoring.yaml"
    path.write_text("version: 1\nsuorces: []\n")
    command = [sys.executable, "-m", "monitoring_pipeline.api", "--config", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 2
    assert "suorces" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_taken_port_is_told_in_words(installation: Installation):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "monitoring_pipeline.api", "--config", str(installation.path), "--port", port]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode != 0
    assert "address already in use" in found.stderr
    assert "Traceback" not in found.stderr
