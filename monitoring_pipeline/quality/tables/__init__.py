"""One kind of table per file. `quality/table.py` is the contract."""
