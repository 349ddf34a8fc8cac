# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # What the sources did
#
# Opens the published copy of the warehouse, which disturbs nobody however long it stays open, and asks it in
# SQL. Jupyter opens this file as a notebook where jupytext is installed; as a plain script it runs too.

# %%
import os
from pathlib import Path

from monitoring_pipeline.store.history import open_published

directory = Path(os.environ.get("BUSTA_DIRECTORY", ".busta"))
warehouse = open_published(directory / "published" / "warehouse.duckdb")

# %% [markdown]
# Share of known results per source that were not critical, and how long answers took. Unknown results count
# neither as up nor as down.

# %%
print(
    warehouse.sql("""
        SELECT source,
               count(*) AS results,
               round(100 * avg((status <> 'critical')::INT) FILTER (status <> 'unknown'), 3) AS available_percent,
               round(quantile_cont(response_time_ms, 0.5), 1) AS p50_ms,
               round(quantile_cont(response_time_ms, 0.95), 1) AS p95_ms
        FROM results
        WHERE skipped IS NULL
        GROUP BY source
        ORDER BY available_percent, source
    """)
)

# %% [markdown]
# Time that nobody watched: slots without a result.

# %%
print(warehouse.sql("SELECT source, reason, sum(slots) AS slots FROM gaps GROUP BY ALL ORDER BY slots DESC LIMIT 20"))
