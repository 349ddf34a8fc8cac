"""YAML as it is read: the core schema of YAML 1.2, anchors, merge keys and `${...}`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.config.nodes import core_value, plain
from monitoring_pipeline.config.problems import Problems
from monitoring_pipeline.config.reading import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("NO", "NO"), ("on", "on"), ("off", "off"), ("true", True), ("False", False),
        ("12:30", "12:30"), ("1:2:3", "1:2:3"), ("0777", 777), ("0o17", 15), ("0xff", 255), ("0b11", "0b11"),
        ("1_000", "1_000"), ("-12", -12), ("+3", 3), ("1e3", 1000.0), ("-.5", -0.5), ("1.", 1.0), (".", "."),
        ("-", "-"),
        ("2024-01-01", "2024-01-01"), ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"), ("~", None), ("", None),
        ("null", None), ("nil", "nil"), (".inf", math.inf), ("-.INF", -math.inf), ("=", "="), ("<<", "<<"),
        ("1.2.3.4", "1.2.3.4"), ("9" * 400, "9" * 400),
    ],
)  # fmt: skip
def test_plain_scalars(text: str, value: Any) -> None:
    assert core_value(text) == value
    assert type(core_value(text)) is type(value)


def test_not_a_number_is_one() -> None:
    assert math.isnan(core_value(".nan"))


def _read(text: str, folder: Path, environ: dict[str, str] | None = None) -> Any:
    path = folder / "x.yaml"
    path.write_text(text)
    problems = Problems()
    node = read_yaml(path, shown="x.yaml", environ=environ or {}, problems=problems)
    problems.raise_if_any()
    assert node is not None
    return plain(node)


def test_quoted_and_tagged_scalars_are_texts(tmp_path: Path) -> None:
    assert _read("[\"1\", 'true', !!str 5, !!int '6', |\n  8\n ]".replace("|\n  8\n ", "7"), tmp_path) == [
        "1",
        "true",
        "5",
        6,
        7,
    ]
    assert _read("a: |\n  80\nb: >\n  no\n", tmp_path) == {"a": "80\n", "b": "no\n"}


def test_keys_are_texts(tmp_path: Path) -> None:
    assert _read("on: 1\n200: 2\n~: 3\n", tmp_path) == {"on": 1, "200": 2, "~": 3}


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {z: 3, x: 9}\none: {<<: *b, y: 5}\nmany: {<<: [*b, *m]}\nsame: *b\n"
    read = _read(text, tmp_path)
    assert read["one"] == {"x": 1, "y": 5}
    assert read["many"] == {"x": 1, "y": 2, "z": 3}
    assert read["same"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${PORT}", 8080), ("'${PORT}'", "8080"), ("${NONE:-5}", 5), ("${EMPTY:-x}", "x"), ("${EMPTY}", ""),
        ("a${PORT}b${EMPTY}c", "a8080bc"), ("$${PORT}", "${PORT}"), ("$PORT", "$PORT"), ("$$", "$$"),
        ("${NONE:-}", ""), ("${NONE:-a:-b}", "a:-b"), ("${file:sub/secret}", "two\nlines"), ("${NULL}", "null"),
        ("${BRACES}", "${PORT}"),
    ],
)  # fmt: skip
def test_interpolation(written: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "secret").write_bytes(b"two\nlines\r\n")
    environ = {"PORT": "8080", "EMPTY": "", "NULL": "null", "BRACES": "${PORT}"}
    assert _read(f"a: {written}\n", tmp_path, environ) == {"a": value}
