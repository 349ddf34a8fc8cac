"""What was learnt is found again: in a file, and in the store by other machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitoring_pipeline.analysis.scoring import checkpoints
from monitoring_pipeline.analysis.scoring.checkpoints import Checkpoint, FileCheckpoints, SharedCheckpoints
from monitoring_pipeline.store import blobs
from monitoring_pipeline.store.operational import OperationalStore
from tests.analysis.scoring.samples import T0


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, T0)
    yield opened
    opened.close()


def learnt(last: int, generation: int = 0) -> Checkpoint:
    arrays = {
        "names": np.frombuffer("näme".encode(), dtype=np.uint8),
        "zone": np.array("Europe/Berlin"),
        "told.last": np.arange(3, dtype=np.int64),
        "nothing": np.zeros((0, 3)),
        "table": np.arange(12.0).reshape(3, 4).T,
        "flags": np.array([True, False]),
    }
    return Checkpoint("me", last, 7, generation, arrays)


def check(found: Checkpoint | None, expected: Checkpoint) -> None:
    assert found is not None
    assert replace(found, arrays={}) == replace(expected, arrays={})
    assert found.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array), name


def test_a_file_gives_back_what_was_written_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "scoring.state"
    kept = FileCheckpoints(path)
    assert (kept.read(), kept.read_head()) == (None, None)
    kept.write(learnt(5))
    found = kept.read()
    check(found, learnt(5))
    assert found is not None
    found.arrays["table"][0, 0] = 99.0  # it may be changed in memory; the file is not
    check(kept.read(), learnt(5))
    kept.write(learnt(6, generation=1))
    assert found.arrays["table"][1, 1] == 5.0  # who has mapped an old one keeps it
    assert kept.read_head() == ("me", 1, 6)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("text", [b"", b"{}", b'{"format": "other"}\n', b"\x00\x01"])
def test_what_cannot_be_read_is_no_checkpoint(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "scoring.state").write_bytes(text)
    kept = FileCheckpoints(tmp_path / "scoring.state")
    assert (kept.read(), kept.read_head()) == (None, None)


def test_other_machines_find_it_in_the_store(
    store: OperationalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_SHARED_EVERY", 10)
    monkeypatch.setattr(blobs, "_PART_BYTES", 100)
    one, other = (SharedCheckpoints(store, tmp_path / name) for name in ("one", "other"))
    assert one.read() is None
    one.write(learnt(100))
    check(other.read(), learnt(100))
    one.write(learnt(120))  # 20 samples of 3 series are not worth it
    check(one.read(), learnt(120))
    check(other.read(), learnt(100))
    one.write(learnt(200))
    check(other.read(), learnt(200))
    with store.write() as connection:
        other.write(learnt(210, generation=1), connection)
    check(one.read(), learnt(210, generation=1))
    assert one.read_head() == ("me", 1, 210)
