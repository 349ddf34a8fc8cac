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
# # Baselines and anomalies
#
# What is normal for a series at each hour of the week, and when it was not (docs/anomalies.md). Set `SOURCE` and
# `METRIC` to look at another series; without them it is the strangest one.

# %%
import matplotlib.pyplot as plt

from monitoring_pipeline.store.history import open_published

warehouse = open_published()
SOURCE, METRIC = None, None

# %% [markdown]
# Which series were strange, and how often. A score of 2 is a warning, 3 is critical.

# %%
strange = warehouse.sql("""
    SELECT source, check_id, metric, count(*) AS points, round(max(score), 2) AS highest,
           count(*) FILTER (is_alert) AS alarming, max(time) FILTER (is_alert) AS last
    FROM scores GROUP BY ALL ORDER BY alarming DESC, highest DESC, source LIMIT 20
""").df()
if strange.empty:
    print("Nothing is scored in the warehouse yet: the asset `anomaly_scores` does that, once detectors have learnt.")
else:
    print(strange.to_string(index=False))

# %% [markdown]
# One series with its scores: the values, the band of what was expected, alarms in red. With
# `analysis.isolation_forest`, what the forest says of the same points too: 1 is one point in a hundred.

# %%
known = strange if SOURCE is None else strange[strange.source == SOURCE]
known = known if METRIC is None else known[known.metric == METRIC]
if known.empty:
    print("There is no scored series to draw.")
else:
    key = list(known[["source", "check_id", "metric"]].iloc[0])
    scored = warehouse.execute(
        "SELECT * FROM scores WHERE source = ? AND check_id = ? AND metric = ? ORDER BY time", key
    ).df()
    figure, (above, below) = plt.subplots(
        2, figsize=(10, 4.5), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    above.fill_between(scored.time, scored.low, scored.high, alpha=0.2, linewidth=0, label="expected")
    above.plot(scored.time, scored.value, linewidth=1, label="measured")
    alarms = scored[scored.is_alert]
    above.plot(alarms.time, alarms.value, "r.", label="alarm")
    above.set_title(" / ".join(key), loc="left", fontsize=9)
    above.legend(fontsize=8)
    below.plot(scored.time, scored.score, linewidth=1, label="score")
    if scored.isolation.notna().any():
        below.plot(scored.time, scored.isolation, linewidth=0.7, label="isolation")
        below.plot(scored.time, scored.combined, linewidth=0.7, label="both")
        below.legend(fontsize=8)
    for limit in (2, 3):
        below.axhline(limit, color="tab:red", linewidth=0.7, linestyle="--")
    below.set_ylabel("score", fontsize=8)

# %% [markdown]
# What is normal, hour by hour of the week on the wall clock. Series that are still learning are left out.

# %%
normal = warehouse.execute(
    """
    SELECT source, check_id, metric, unit, weekday, hour, low, expected, high FROM baselines
    WHERE NOT learning AND (? IS NULL OR source = ?) AND (? IS NULL OR metric = ?)
    ORDER BY source, check_id, metric, tags, weekday, hour
    """,
    [SOURCE, SOURCE, METRIC, METRIC],
).df()
if normal.empty:
    print("No baseline is learnt yet: a series needs some days.")
else:
    groups = list(normal.groupby(["source", "check_id", "metric"], sort=False))[:3]
    figure, rows = plt.subplots(len(groups), figsize=(10, 2.2 * len(groups)), squeeze=False, layout="constrained")
    for axes, (key, frame) in zip(rows[:, 0], groups, strict=True):
        week = frame.weekday * 24 + frame.hour
        axes.fill_between(week, frame.low, frame.high, alpha=0.2, linewidth=0, step="mid")
        axes.step(week, frame.expected, where="mid", linewidth=1)
        axes.set_xticks(range(0, 169, 24), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", ""])
        axes.set_title(f"{' / '.join(key)} {frame.unit.iloc[0]}", loc="left", fontsize=9)

# %% [markdown]
# What was noticed: anomalies, level shifts, flat lines, gaps, schema drift.

# %%
print(warehouse.sql('SELECT "at", source, kind, severity, text FROM events ORDER BY "at" DESC, id DESC LIMIT 25'))
counts = warehouse.sql("""
    SELECT date_trunc('day', "at") AS day, kind, count(*) AS events FROM events GROUP BY ALL ORDER BY day
""").df()
if counts.empty:
    print("Nothing was noticed yet.")
else:
    table = counts.pivot(index="day", columns="kind", values="events").fillna(0)
    figure, axes = plt.subplots(figsize=(10, 2.5), layout="constrained")
    below = 0
    for kind in table.columns:
        axes.bar(table.index, table[kind], bottom=below, label=kind.replace("_", " "))
        below = below + table[kind]
    axes.set_ylabel("events per day")
    axes.legend(fontsize=8)
