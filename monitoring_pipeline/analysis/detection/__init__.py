"""What is normal for a series, and how strange is each point? Arrays in, arrays out; numpy and nothing else, but for
`confirm_shift`, which looks back with ruptures.

    detector = Detector(Calendar("Europe/Berlin"))
    series = detector.add(5000)
    scored = detector.update(series, times, values, trains)     # one point of each, or of some

Online and causal: a point is judged by its past alone, then learnt from (`trains`). `score_history` takes the same
steps over what has passed. A step is: `voters` look at the point in a dozen ways, `loudness` measures what they see
against what the series does daily, `combination` makes one opinion of it, `alarms` decides when to call somebody, and
`happenings` tells events that are not a matter of one value. `memory` holds the state. Whom an alarm concerns, and
where scores are kept, is decided elsewhere.
"""

from monitoring_pipeline.analysis.detection.confirmation import confirm_shift
from monitoring_pipeline.analysis.detection.detector import Detector, Direction, Scored
from monitoring_pipeline.analysis.detection.happenings import FLATLINE, GAP, LEVEL_SHIFT, NONE, SPIKE
from monitoring_pipeline.analysis.detection.history import score_history
from monitoring_pipeline.analysis.detection.sentence import sentence

__all__ = [
    "FLATLINE",
    "GAP",
    "LEVEL_SHIFT",
    "NONE",
    "SPIKE",
    "Detector",
    "Direction",
    "Scored",
    "confirm_shift",
    "score_history",
    "sentence",
]
