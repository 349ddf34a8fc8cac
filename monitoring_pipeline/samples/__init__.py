"""A small shop's data, shipped so that a first run watches real rows; `generate.py` made it.

`orders.csv`: 500 orders of 90 days. `products.csv`: the 24 products they name.
"""
