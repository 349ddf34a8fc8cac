"""The bounded search for files, against the standard library's glob and against folders it may not read."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.reach.files import scan

NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.csv", "b.csv", "c.txt", ".hidden.csv", "one/d.csv", "one/two/e.csv", "one/.git/f.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nothing")
    return tmp_path


@pytest.mark.parametrize("pattern", [
    "*.csv", "*", "?.csv", "[ab].csv", "one/*.csv", "*/*.csv", ".*.csv", "none*", "none/*", "a.csv/*", "one/../*.txt",
])  # fmt: skip
def test_a_pattern_finds_what_glob_finds(tree: Path, pattern: str) -> None:
    expected = {path for path in glob.glob(f"{tree}/{pattern}") if Path(path).is_file()}  # noqa: PTH207 - the reference
    found = scan(f"{tree}/{pattern}", 1000)
    assert {os.path.normpath(file.path) for file in found.files} == {os.path.normpath(path) for path in expected}
    assert found.exists is bool(expected)
    assert not found.truncated


@pytest.mark.parametrize(("pattern", "names"), [
    ("**/*.csv", {"a.csv", "b.csv", "link.csv", "one/d.csv", "one/two/e.csv"}),
    ("**", {"a.csv", "b.csv", "c.txt", "link.csv", "one/d.csv", "one/two/e.csv"}),
    ("one/**/*.csv", {"one/d.csv", "one/two/e.csv"}),
    ("**/two/*", {"one/two/e.csv"}),
])  # fmt: skip
def test_two_stars_are_any_depth_without_following_links(tree: Path, pattern: str, names: set[str]) -> None:
    found = scan(f"{tree}/{pattern}", 1000)
    assert {os.path.relpath(file.path, tree) for file in found.files} == names
    assert len(found.files) == len(names)


def test_a_relative_pattern(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert {file.path for file in scan("one/**/*.csv", 10).files} == {"one/d.csv", "one/two/e.csv"}
    assert [file.path for file in scan("c.txt", 10).files] == ["c.txt"]


def test_a_single_file_and_a_folder(tree: Path) -> None:
    single = scan(str(tree / "a.csv"), 10)
    assert (single.exists, single.single, single.files[0].size) == (True, True, 5)
    folder = scan(str(tree / "one"), 10)
    assert (folder.exists, folder.single, len(folder.files)) == (True, False, 1)
    empty = scan(str(tree / "empty"), 10)
    assert (empty.exists, empty.files) == (True, [])
    assert scan(str(tree / "nothing"), 10).exists is False
    assert scan(str(tree / "dangling.csv"), 10).exists is False


def test_the_number_of_files_is_bounded(tree: Path) -> None:
    for number in range(50):
        (tree / "empty" / f"{number}.log").write_text("x")
    exact, bounded = scan(f"{tree}/empty/*.log", 50), scan(f"{tree}/empty/*.log", 49)
    assert (len(exact.files), exact.truncated) == (50, False)
    assert (len(bounded.files), bounded.truncated) == (49, True)


def test_a_walk_that_matches_nothing_is_bounded_too(tree: Path) -> None:
    for number in range(150):
        (tree / "empty" / f"{number}.log").touch()
    found = scan(f"{tree}/empty/*.csv", 1)
    assert (found.files, found.exists, found.truncated) == ([], False, True)


@pytest.mark.parametrize("pattern", ["closed/a.csv", "closed/*.csv", "**/*.csv", "closed"])
def test_what_may_not_be_read_is_not_called_missing(public_folder: Path, pattern: str) -> None:
    closed = public_folder / "closed"
    closed.mkdir()
    (closed / "a.csv").write_text("x")
    closed.chmod(0)
    with as_nobody(), pytest.raises(CheckError, match=r"no permission to look at .*closed"):
        scan(f"{public_folder}/{pattern}", 10)
    closed.chmod(0o700)
