"""Processes that tests of the stores have killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.children import Children


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    started = Children(tmp_path_factory.mktemp("children"))
    yield started
    started.close()
