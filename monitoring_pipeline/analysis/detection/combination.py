"""One opinion from many voters: how much speaks for an anomaly, as a logarithm of odds.

Decision trees, boosted for the logarithm of odds (Friedman, Annals of Statistics 2001). What they ask is free of units
and of the series' identity: how loud a voter is against its own past, and how large a deviation is against the series'
own. They were fitted once, to labelled series of others, and are shipped as constants (`combination.json`); nothing is
fitted to labels where this runs. `bench.training` fits such constants anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CRITICAL", "QUESTIONED", "WARNING", "Trees"]

WARNING, CRITICAL = -1.3, 1.7
"""Evidence from which a point is worth a warning, and from which it is critical."""
QUESTIONED = 1.1
"""Trees are asked about points at which a voter is so many times as loud as it usually becomes in a day."""


class Trees(NamedTuple):
    """The first node of each tree; of each node what it asks, the largest answer that goes `below`, and the node that
    follows it `below` or `otherwise`, or a leaf as the complement of its number; what leaves add; what all begin with.
    And the evidence that counts for something, as above: compiled code keeps constants of other files for ever.
    """

    root: NDArray[np.int32]
    feature: NDArray[np.int32]
    above: NDArray[np.float64]
    below: NDArray[np.int32]
    otherwise: NDArray[np.int32]
    leaf: NDArray[np.float64]
    base: float
    questioned: float = QUESTIONED
    warning: float = WARNING
    critical: float = CRITICAL

    @classmethod
    def shipped(cls) -> Trees:
        """Those of this package."""
        return _shipped()

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Trees:
        """From lists, as `combination.json` has them."""
        root, feature, below, otherwise = (
            np.array(found[name], np.int32) for name in ("root", "feature", "below", "otherwise")
        )
        above, leaf = np.array(found["above"], np.float64), np.array(found["leaf"], np.float64)
        return cls(root, feature, above, below, otherwise, leaf, float(found["base"]))


@cache
def _shipped() -> Trees:
    return Trees.of(json.loads(files(__package__).joinpath("combination.json").read_text()))
