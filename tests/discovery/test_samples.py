"""The sample data that ships is what its generator makes, and what its checks expect."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from monitoring_pipeline.samples import generate


def test_the_files_are_what_the_generator_makes(tmp_path: Path) -> None:
    generate.write(tmp_path)
    for name in ("orders.csv", "products.csv"):
        assert files("monitoring_pipeline.samples").joinpath(name).read_text() == (tmp_path / name).read_text()


def test_orders_name_products_that_exist() -> None:
    known = {row["product_id"] for row in generate.products()}
    orders = generate.orders()
    assert {row["product_id"] for row in orders} <= known
    assert len({row["order_id"] for row in orders}) == len(orders) == 500
