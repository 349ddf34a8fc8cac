"""Validators and expectations of somebody's own, as suites under test name them."""

from __future__ import annotations

import math
import os
import time
from typing import Any

from monitoring_pipeline.quality import Dimension, Finding, Measurement
from monitoring_pipeline.quality.catalogue import catalogue, installed


class Nightly:
    """Reports scores, numbers and a finding with a row."""

    def __init__(self, job: str = "orders") -> None:
        self.job = job

    def validate(self, source: str) -> Measurement:
        finding = Finding(
            "late", "late_rows", f"12 rows of {source} are late", met=False, dimension=Dimension.TIMELINESS,
            share=0.9, rows=({"id": 7, "email": "ann@example.com"},),
        )  # fmt: skip
        return Measurement({"completeness": 99.0}, [finding], {"late_rows": 12}, rows=120)


NONSENSE: dict[str, Any] = {
    "scores high": Measurement({"validity": 140.0}),
    "scores nothing": Measurement({"validity": math.nan}),
    "spells": Measurement({"validity": "95"}),  # type: ignore[dict-item]
    "counts in words": Measurement(rows="lots"),  # type: ignore[arg-type]
    "says nothing": Measurement(metrics={"": 3}),
    "invents": Measurement({"beauty": 100.0}),
    "boasts": Measurement(findings=[Finding("rows", "t", "more than all", met=False, share=1.7)]),
    "outweighs": Measurement(findings=[Finding("rows", "t", "", met=True, weight=-1)]),
    "wavers": Measurement(findings=[Finding("rows", "t", "", met="yes")]),  # type: ignore[arg-type]
    "admires": Measurement(findings=[Finding("rows", "t", "", met=True, dimension="beauty")]),  # type: ignore[arg-type]
    "takes our name": Measurement(metrics={"quality.validity": 100.0}),
}


class Moody:
    """Does what it is told, which is never what it should do."""

    def __init__(self, mood: str) -> None:
        self.mood = mood

    def validate(self, source: str) -> Measurement:
        if self.mood == "hangs":
            time.sleep(600)
        if self.mood == "crashes":
            os.abort()
        if self.mood == "exits":
            print("out of ideas", flush=True)
            os._exit(3)
        if self.mood == "raises":
            raise RuntimeError("the framework is not at home")
        return NONSENSE.get(self.mood, "all is well")


class NoValidator:
    pass


class Catalogue:
    """Counts how the kept catalogue differs from the library that is installed."""

    def validate(self, source: str) -> Measurement:
        from monitoring_pipeline.quality.catalogue import NOT_HERE

        there = {name: entry for name, entry in installed().items() if name not in NOT_HERE}
        differing = [
            name
            for name in there.keys() | catalogue().keys()
            if name not in there
            or name not in catalogue()
            or catalogue()[name].required != set(there[name]["required"])
            or catalogue()[name].optional != set(there[name]["optional"])
        ]
        findings = [Finding(name, name, "differs", met=False) for name in differing]
        return Measurement(findings=findings, metrics={"types": len(there)})
