"""Makes the sample data, always the same: `python -m monitoring_pipeline.samples.generate FOLDER`.

A shop that sells most around noon, little on Sundays, with a few bestsellers and
some orders that were returned or never paid.
"""

from __future__ import annotations

import csv
import io
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["orders", "products", "write"]

_SEED = 20_260_301
_FIRST = datetime(2026, 3, 1, tzinfo=UTC)
_DAYS = 90
_ORDERS = 500
_NAMES = {
    "tea": ("Assam", "Darjeeling", "Sencha", "Rooibos", "Earl Grey", "Jasmine"),
    "coffee": ("House blend", "Espresso", "Decaf", "Single origin", "Cold brew", "Mocha"),
    "cups": ("Porcelain cup", "Glass mug", "Travel mug", "Espresso cup", "Saucer", "Tea bowl"),
    "tools": ("Kettle", "Grinder", "French press", "Scale", "Strainer", "Filter papers"),
}
_PRICES = {"tea": (5, 14), "coffee": (8, 22), "cups": (6, 28), "tools": (4, 95)}
_COUNTRIES = ("DE", "DE", "DE", "AT", "AT", "CH", "FR", "NL", "BE", "DK")
_STATES = ("delivered",) * 17 + ("shipped", "returned", "cancelled")


def products() -> list[dict[str, object]]:
    """The products: product_id, name, category, price (EUR), active."""
    pick = random.Random(_SEED)
    rows: list[dict[str, object]] = []
    for category, names in _NAMES.items():
        low, high = _PRICES[category]
        for name in names:
            price = pick.randint(low * 10, high * 10) / 10
            rows.append(
                {
                    "product_id": f"P{len(rows) + 1:03d}", "name": name, "category": category,
                    "price": f"{price:.2f}", "active": "true" if pick.random() > 0.08 else "false",
                }
            )  # fmt: skip
    return rows


def orders() -> list[dict[str, object]]:
    """The orders by time: order_id, ordered_at, customer_id, product_id, quantity, amount (EUR), country, state."""
    pick = random.Random(_SEED + 1)
    catalogue = products()
    weights = [1 / (rank + 2) for rank in range(len(catalogue))]
    pick.shuffle(weights)
    moments = sorted(_moment(pick) for _ in range(_ORDERS))
    rows: list[dict[str, object]] = []
    for number, moment in enumerate(moments, 1):
        product = pick.choices(catalogue, weights)[0]
        quantity = pick.choices((1, 2, 3, 4, 6), (60, 22, 9, 6, 3))[0]
        rows.append(
            {
                "order_id": f"O{number:05d}", "ordered_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "customer_id": f"C{int(pick.expovariate(1 / 40)) % 160 + 1:04d}", "product_id": product["product_id"],
                "quantity": quantity, "amount": f"{float(str(product['price'])) * quantity:.2f}",
                "country": pick.choice(_COUNTRIES), "state": pick.choice(_STATES),
            }
        )  # fmt: skip
    return rows


def _moment(pick: random.Random) -> datetime:
    while True:
        day = _FIRST + timedelta(days=pick.randrange(_DAYS))
        hour = pick.choices(range(24), [1] * 6 + [3, 6, 8, 9, 11, 12, 12, 10, 9, 9, 8, 8, 9, 10, 8, 5, 3, 2])[0]
        if day.weekday() != 6 or pick.random() < 0.4:
            return day + timedelta(hours=hour, seconds=pick.randrange(3600))


def as_csv(rows: list[dict[str, object]]) -> str:
    """The rows as CSV with a header and Unix line ends."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(folder: Path) -> None:
    """Writes `orders.csv` and `products.csv` into a folder."""
    (folder / "orders.csv").write_text(as_csv(orders()))
    (folder / "products.csv").write_text(as_csv(products()))


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent))
