# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
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
# SQL. `.busta` is looked for from here upward; `$BUSTA_DIRECTORY` names another one.

# %%
import matplotlib.pyplot as plt

from monitoring_pipeline.store.history import open_published

warehouse = open_published()

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
# The same by the day, for the twelve worst sources. White is time of which nothing is known.

# %%
days = warehouse.sql("""
    SELECT source, start, 100.0 * (sum(healthy) + sum(warning)) / sum(healthy + warning + critical) AS available
    FROM daily_results
    WHERE healthy + warning + critical > 0
    GROUP BY source, start
""").df()
if days.empty:
    print("No day is over yet: daily_results is built when one is.")
else:
    table = days.pivot(index="source", columns="start", values="available")
    table = table.loc[table.mean(axis=1).sort_values().index[:12]]
    figure, axes = plt.subplots(figsize=(10, 1 + 0.35 * len(table)), layout="constrained")
    picture = axes.imshow(table, aspect="auto", cmap="RdYlGn", vmin=90, vmax=100)
    axes.set_yticks(range(len(table)), table.index)
    step = max(1, len(table.columns) // 10)
    axes.set_xticks(range(0, len(table.columns), step), [f"{day:%d %b}" for day in table.columns[::step]])
    figure.colorbar(picture, label="available, %")

# %% [markdown]
# Time that nobody watched: slots without a result.

# %%
print(warehouse.sql("SELECT source, reason, sum(slots) AS slots FROM gaps GROUP BY ALL ORDER BY slots DESC LIMIT 20"))
