"""What is normal for a series, and how strange is each point? Arrays in, arrays out; numpy and nothing else, but for
`confirm_shift`, which looks back with ruptures.

    detector = Detector(Calendar("Europe/Berlin"))
    series = detector.add(5000)
    scored = detector.update(series, times, values, trains)     # one point of each, or of some

Online and causal: a point is judged by its past alone, then learnt from (`trains`). `score_history` takes the same
steps over what has passed. `step` is what happens to one point, compiled (`compiled`); `state` is what is remembered of
a series, `combination` how voters become one opinion. Whom an alarm concerns, and where scores are kept, is decided
elsewhere.
"""

from monitoring_pipeline.analysis.detection.confirmation import Levels, confirm_shift
from monitoring_pipeline.analysis.detection.detector import Detector, Direction
from monitoring_pipeline.analysis.detection.history import score_history
from monitoring_pipeline.analysis.detection.points import Scored
from monitoring_pipeline.analysis.detection.sentence import sentence
from monitoring_pipeline.analysis.detection.state import FLATLINE, GAP, LEVEL_SHIFT, NONE, SPIKE

__all__ = [
    "FLATLINE",
    "GAP",
    "LEVEL_SHIFT",
    "NONE",
    "SPIKE",
    "Detector",
    "Direction",
    "Levels",
    "Scored",
    "confirm_shift",
    "score_history",
    "sentence",
]
