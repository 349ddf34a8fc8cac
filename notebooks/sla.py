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
# # SLA review
#
# Were promises kept, day by day? Sums are those of the warehouse's days: as measured (`m_`), and after the corrections of
# the ledger (docs/sla.md). Unknown time is neither good nor bad. `busta sla show` has the budgets of running periods.

# %%
import matplotlib.pyplot as plt

from monitoring_pipeline.store.history import open_published

warehouse = open_published()
OBJECTIVE = None

# %% [markdown]
# Each promise by month: what was attained of what is known, and at least if all unknown time was bad.

# %%
days = warehouse.execute(
    "SELECT * FROM sla_days WHERE ? IS NULL OR objective = ? ORDER BY objective, scope, subject, day",
    [OBJECTIVE, OBJECTIVE],
).df()
if days.empty:
    print("No day of a promise is computed yet: name `objectives:` in monitoring.yaml, the asset `sla_days` does the rest.")
else:
    months = warehouse.execute(
        """
        SELECT objective, subject, date_trunc('month', day)::DATE AS month,
               round(100.0 * sum(good) / nullif(sum(good + bad), 0), 4) AS attained,
               round(100.0 * sum(good) / nullif(sum(good + bad + unknown), 0), 4) AS at_least,
               round(100.0 * sum(m_good) / nullif(sum(m_good + m_bad), 0), 4) AS as_measured,
               round(100.0 * sum(good + bad) / nullif(sum(good + bad + unknown), 0), 2) AS known
        FROM sla_days WHERE ? IS NULL OR objective = ?
        GROUP BY ALL ORDER BY objective, subject, month
        """,
        [OBJECTIVE, OBJECTIVE],
    ).df()
    print(months.to_string(index=False))

# %% [markdown]
# The days: green is good, red bad, grey unknown, white excluded by agreement.

# %%
if days.empty:
    print("Nothing to draw.")
else:
    groups = list(days.groupby(["objective", "scope", "subject"], sort=False))[:6]
    figure, rows = plt.subplots(
        len(groups), figsize=(10, 1.6 * len(groups)), squeeze=False, sharex=True, layout="constrained"
    )
    for axes, (key, frame) in zip(rows[:, 0], groups, strict=True):
        total = (frame.good + frame.bad + frame.unknown + frame.excluded).clip(lower=1)
        below = 0 * total
        for name, colour in (("good", "#86c98f"), ("unknown", "#c4c8d0"), ("bad", "#cf4a45")):
            share = 100 * frame[name] / total
            axes.bar(frame.day, share, bottom=below, color=colour, width=0.9)
            below = below + share
        axes.set_title(" / ".join(key), loc="left", fontsize=9)
        axes.set_ylim(max(0, 100 - 2 * (100 * (frame.bad + frame.unknown) / total).max() - 0.1), 100)

# %% [markdown]
# How often things failed, and how long that lasted, from the changes of status: the mean time to recover and between
# failures per source.

# %%
failures = warehouse.sql("""
    WITH moves AS (
        SELECT source, "at", "after", lead("at") OVER (PARTITION BY source ORDER BY "at", id) AS until
        FROM status_changes
    )
    SELECT source, count(*) FILTER ("after" = 'critical') AS failures,
           round(avg(epoch(until - "at")) FILTER ("after" = 'critical') / 60, 1) AS mttr_minutes,
           round(sum(epoch(until - "at")) FILTER ("after" IN ('healthy', 'warning'))
                 / nullif(count(*) FILTER ("after" = 'critical'), 0) / 3600, 1) AS mtbf_hours
    FROM moves GROUP BY source HAVING failures > 0 ORDER BY failures DESC, source LIMIT 20
""").df()
if failures.empty:
    print("Nothing failed yet.")
else:
    print(failures.to_string(index=False))
    figure, axes = plt.subplots(figsize=(10, 0.8 + 0.3 * len(failures)), layout="constrained")
    axes.barh(failures.source, failures.mttr_minutes, color="#cf4a45")
    axes.invert_yaxis()
    axes.set_xlabel("mean minutes to recover")
