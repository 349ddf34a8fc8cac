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
# # Quality drill-down
#
# From the scores of all suites to the expectations that fail and the rows they fail on (docs/quality.md). Masked columns
# are masked here too: the warehouse never saw them. Set `SUITE` to drill into another one; without it it is the worst.

# %%
import json

import matplotlib.pyplot as plt

from monitoring_pipeline.store.history import open_published

warehouse = open_published()
SUITE = None

# %% [markdown]
# How suites stand: their last run. An empty score means that nothing is known, which is not the same as bad.

# %%
last = warehouse.sql("""
    SELECT source, suite, status, round(score, 1) AS score, "rows", expectations, failed, errors, "at", message
    FROM quality_runs
    QUALIFY row_number() OVER (PARTITION BY source, suite ORDER BY "at" DESC, id DESC) = 1
    ORDER BY score NULLS FIRST, source, suite
""").df()
if last.empty:
    print("No suite ran yet: name `suites:` in monitoring.yaml, or run `busta quality run`.")
else:
    print(last.to_string(index=False))

# %% [markdown]
# Scores over time.

# %%
runs = warehouse.sql('SELECT source, suite, "at", score FROM quality_runs ORDER BY "at"').df()
if runs.empty:
    print("Nothing to draw.")
else:
    figure, axes = plt.subplots(figsize=(10, 3), layout="constrained")
    for (source, suite), frame in list(runs.groupby(["source", "suite"]))[:8]:
        axes.plot(frame["at"], frame.score, marker="." if len(frame) < 60 else "", linewidth=1, label=f"{source} / {suite}")
    axes.set_ylim(0, 103)
    axes.set_ylabel("score")
    axes.legend(fontsize=8)

# %% [markdown]
# Into one suite: its dimensions, last run against the mean of all runs.

# %%
known = last[last.expectations > 0] if not last.empty else last
chosen = SUITE or (None if known.empty else known.suite.iloc[0])
drilled = warehouse.execute(
    'SELECT "at", dimensions, findings, profile FROM quality_runs WHERE suite = ? ORDER BY "at"', [chosen]
).fetchall()
scores = [json.loads(dimensions) for _, dimensions, _, _ in drilled]
names = sorted({name for each in scores for name in each})
if not names:
    print("No dimension has a score yet.")
else:
    means = [sum(each[n] for each in scores if n in each) / sum(n in each for each in scores) for n in names]
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.4 * len(names)), layout="constrained")
    axes.barh(names, [scores[-1].get(name, 0) for name in names], color="#2563eb", height=0.5, label="last run")
    axes.plot(means, names, "k|", markersize=16, label="mean of all runs")
    axes.set_xlim(0, 103)
    axes.set_title(chosen, loc="left", fontsize=9)
    axes.legend(fontsize=8, loc="lower left")

# %% [markdown]
# What fails in it, what could not be judged, and rows that fail.

# %%
findings = json.loads(drilled[-1][2]) if drilled else []
unmet = [each for each in findings if each.get("met") is not True]
if not unmet:
    print("Every expectation of the last run was met." if findings else "There are no findings yet.")
for each in unmet:
    word = "could not be judged" if each.get("met") is None else "fails"
    print(f"{each.get('name')} ({each.get('dimension')}, {each.get('severity')}) {word}: {each.get('text')}")
    for row in each.get("rows", [])[:5]:
        print("   ", row)

# %% [markdown]
# How complete its columns are: nulls in the last profile.

# %%
profile = json.loads(drilled[-1][3]) if drilled else {}
columns, total = profile.get("columns", []), profile.get("examined")
if not columns or not total:
    print("There is no profile of columns.")
else:
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.25 * len(columns)), layout="constrained")
    axes.barh([each["name"] for each in columns], [100 * each["nulls"] / total for each in columns], color="#ea580c")
    axes.invert_yaxis()
    axes.set_xlabel("null, % of the rows that were examined")
