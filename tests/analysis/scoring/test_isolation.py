"""The isolation forest in an installation: kept beside the scores of a day, shown, and never in an alarm's way."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.reports.anomalies import strange_document
from tests.analysis.scoring.samples import T0, batches
from tests.analysis.scoring.test_doors import HOURS, SPIKES, Days

FOREST = "analysis: {isolation_forest: true}\n"


@pytest.mark.parametrize("wanted", [True, False])
def test_a_day_is_judged_beside_its_scores_where_somebody_wants_that(tmp_path: Path, *, wanted: bool) -> None:
    days = Days(tmp_path, FOREST if wanted else "")
    monitoring, begin = days.monitoring, T0 + timedelta(days=15)
    monitoring.scoring.catch_up()
    days.measure(list(batches(HOURS, spikes=SPIKES[:1])))
    monitoring.scoring.catch_up()
    monitoring.load_history()
    facts = monitoring.scoring.score_span(begin, begin + timedelta(days=1))
    monitoring.publish_history()
    with monitoring.history(tables=("samples",)) as history:
        rows = history.execute(
            "SELECT source, hour(time), score, isolation, combined FROM warehouse.scores ORDER BY time, source"
        ).fetchall()
    [spike] = [each for each in monitoring.scoring.strange(begin) if each.kind == "anomaly"]
    shown = strange_document(spike)
    days.monitoring.close()
    assert facts["scores"] == len(rows) == 24 * 3
    if not wanted:
        assert "judged by the forest" not in facts
        assert {row[3:] for row in rows} == {(None, None)}
        assert (shown["isolation"], shown["combined"]) == (None, None)
        return
    assert facts["judged by the forest"] == len(rows)
    assert [row[4] for row in rows] == pytest.approx([(row[2] * row[3]) ** 0.5 for row in rows], rel=1e-5)
    [odd] = [row for row in rows if row[:2] == ("source-0", 3)]
    assert shown["score"] == pytest.approx(odd[2], rel=1e-5)
    assert (shown["isolation"], shown["combined"]) == odd[3:]
    assert odd[3] > sorted(row[3] for row in rows if row[0] != "source-0")[24]
