"""Writes configurations into a folder of their own and loads them from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from monitoring_pipeline.config import Config, load_config
from monitoring_pipeline.errors import ConfigError

Load = Callable[..., Config]
Problems = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """`load(text, files={name: text}, environ={})` of a monitoring.yaml in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def _load(
        text: str | bytes, files: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
    ) -> Config:
        for name, content in {**(files or {}), "monitoring.yaml": text}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
        return load_config(Path("monitoring.yaml"), environ=environ or {})

    return _load


@pytest.fixture
def problems(load: Load) -> Problems:
    """The lines of the ConfigError that loading this must raise."""

    def _problems(
        text: str | bytes, files: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, files, environ)
        return str(caught.value).splitlines()

    return _problems
