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
# # Trends
#
# Where do series go? The lines are hours from rollups, the verdicts are what the analysis of the last night found
# (docs/trends.md says how). Set `SOURCE` and `METRIC` to look at others.

# %%
from datetime import UTC, timedelta

import matplotlib.pyplot as plt
import numpy as np

from monitoring_pipeline.analysis.decomposition import decompose
from monitoring_pipeline.analysis.series import Grid, SeriesKey
from monitoring_pipeline.store.history import open_published

warehouse = open_published()
SOURCE, METRIC, SHOWN = None, None, 4

# %% [markdown]
# The clearest trends first. `strength` is how much of what moves the line explains, `change_percent` what it makes of
# the level over the stretch that was looked at.

# %%
trends = warehouse.sql("""
    SELECT source, check_id, metric, unit, direction, strength, change_percent, slope_per_day, level, since, until
    FROM trends WHERE period = (SELECT max(period) FROM trends)
    ORDER BY strength * abs(coalesce(change_percent, 0)) DESC, source, metric
""").df()
if trends.empty:
    print("No trend was computed yet: the asset `daily_outlook` does that every night, for series of a few days.")
else:
    print(trends.head(15).to_string(index=False, float_format="{:.3g}".format))

# %% [markdown]
# The series themselves: hourly means, the band from the median to the 95th percentile, a straight line through all.

# %%
wanted = (trends if SOURCE is None else trends[trends.source == SOURCE]).head(SHOWN)
keys = list(wanted[["source", "check_id", "metric"]].itertuples(index=False, name=None))
if not keys:
    keys = warehouse.execute(
        """
        SELECT source, check_id, metric FROM hourly WHERE ? IS NULL OR source = ?
        GROUP BY ALL ORDER BY count(*) DESC, source, metric LIMIT ?
        """,
        [SOURCE, SOURCE, SHOWN],
    ).fetchall()
if METRIC is not None:
    keys = [key for key in keys if key[2] == METRIC]
lines = {
    key: warehouse.execute(
        """
        SELECT start, avg, p50, p95 FROM hourly
        WHERE source = ? AND check_id = ? AND metric = ? ORDER BY start
        """,
        list(key),
    ).df()
    for key in keys
}
lines = {key: frame for key, frame in lines.items() if len(frame)}
if not lines:
    print("There are no hours yet: rollups follow each load of history.")
else:
    figure, rows = plt.subplots(
        len(lines), figsize=(10, 2.2 * len(lines)), squeeze=False, sharex=True, layout="constrained"
    )
    for axes, (key, frame) in zip(rows[:, 0], lines.items(), strict=True):
        axes.fill_between(frame.start, frame.p50, frame.p95, alpha=0.2, linewidth=0)
        axes.plot(frame.start, frame.avg, linewidth=1)
        hours = (frame.start - frame.start.iloc[0]).dt.total_seconds().to_numpy() / 3600
        if len(frame) > 48:
            slope, level = np.polyfit(hours, frame.avg.to_numpy(), 1)
            axes.plot(frame.start, level + slope * hours, "--", linewidth=1, color="tab:red")
        axes.set_title(" / ".join(key), loc="left", fontsize=9)

# %% [markdown]
# Taken apart: trend, the seasons of the day and the week, and the rest (needs statsmodels, from the extra `analysis`).

# %%
taken = None
if lines:
    (source, check, metric), frame = next(iter(lines.items()))
    # In equal steps, holes filled by lines.
    hourly = frame.set_index("start").avg.resample("1h").mean().interpolate()
    key, begin = SeriesKey(source, metric, check), hourly.index[0].to_pydatetime().replace(tzinfo=UTC)
    taken = decompose(Grid((key,), begin, timedelta(hours=1), hourly.to_numpy()[None, :]))
if taken is None:
    print("Three days of hours are needed to take a series apart.")
else:
    parts = {"observed": taken.observed, "trend": taken.trend, **taken.seasons, "rest": taken.rest}
    figure, rows = plt.subplots(len(parts), figsize=(10, 1.4 * len(parts)), sharex=True, layout="constrained")
    for axes, (name, part) in zip(rows, parts.items(), strict=True):
        axes.plot(taken.times(), part, linewidth=1)
        axes.set_ylabel(name, fontsize=8)

# %% [markdown]
# What comes: limits that come closer, and forecasts with the band that nine in ten values should stay in.

# %%
print(
    warehouse.sql("""
        SELECT source, metric, limit_value, round(now, 2) AS now, state, round(earliest_h / 24, 1) AS earliest_days,
               round(likely_h / 24, 1) AS likely_days, round(100 * chance) AS chance_percent
        FROM capacity WHERE period = (SELECT max(period) FROM capacity) AND state <> 'learning'
        ORDER BY likely_h NULLS LAST, source LIMIT 15
    """)
)
forecasts = warehouse.sql("""
    SELECT source, check_id, metric, start, point, low, high FROM forecasts
    WHERE period = (SELECT max(period) FROM forecasts) ORDER BY source, check_id, metric, start
""").df()
if forecasts.empty:
    print("Nothing was forecast yet.")
else:
    groups = list(forecasts.groupby(["source", "check_id", "metric"], sort=False))[:SHOWN]
    figure, rows = plt.subplots(len(groups), figsize=(10, 2 * len(groups)), squeeze=False, layout="constrained")
    for axes, (key, frame) in zip(rows[:, 0], groups, strict=True):
        axes.fill_between(frame.start, frame.low, frame.high, alpha=0.2, linewidth=0)
        axes.plot(frame.start, frame.point, linewidth=1)
        axes.set_title(" / ".join(key), loc="left", fontsize=9)
