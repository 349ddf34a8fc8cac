"""Rates between readings, and the plain readings of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from monitoring_pipeline.reach.machine import Counters, count_files, measure_mount, mounts, rates, read_counters


def test_rates_between_two_readings() -> None:
    before = Counters(10.0, 5, 20, (100, 1000), {"eth0": (1, 2), "gone": (9, 9)}, {1: 1.0, 2: 5.0})
    after = Counters(14.0, 8, 24, (500, 1800), {"eth0": (9, 42), "new": (7, 7)}, {1: 2.0, 3: 50.0})
    assert rates(before, after) == {
        "cpu_percent": 75.0,
        "disk_read_bytes_s": 100.0,
        "disk_write_bytes_s": 200.0,
        "net_sent_bytes_s": 2.0,
        "net_recv_bytes_s": 10.0,
        "process_cpu_percent": 25.0,
    }


def test_a_counter_that_was_reset_gives_no_rate() -> None:
    before = Counters(10.0, 5, 20, (100, 1000))
    assert rates(before, Counters(12.0, 0, 1, (0, 1200))) == {"disk_write_bytes_s": 100.0}
    assert rates(before, before) == {}


def test_readings_are_only_of_what_is_asked_for() -> None:
    nothing = read_counters({"memory"})
    assert (nothing.total_s, nothing.disk, nothing.network, nothing.processes) == (0.0, None, {}, {})
    own = psutil.Process()
    something = read_counters({"cpu", "network"}, [own])
    assert 0 < something.busy_s < something.total_s
    assert "lo" not in something.network
    assert something.processes.keys() == {own.pid}


def test_a_process_that_ended_is_left_out() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
    assert read_counters({"process"}, [process]).processes == {}


def test_mounts_and_how_full_they_are(tmp_path: Path) -> None:
    assert mounts()
    for path in mounts():
        assert Path(path).is_dir()
    found, expected = measure_mount(str(tmp_path)), os.statvfs(tmp_path)
    assert found.total_bytes == expected.f_frsize * expected.f_blocks
    assert 0 <= found.percent <= 100
    assert found.inodes_percent is None or 0 <= found.inodes_percent <= 100
    with pytest.raises(FileNotFoundError):
        measure_mount(str(tmp_path / "nothing"))


def test_open_files(tmp_path: Path) -> None:
    (tmp_path / "file-nr").write_text("1900\t100\t40000\n")
    assert count_files(tmp_path / "file-nr") == (1800, 40000)
    used, limit = count_files()
    assert 0 < used < limit
