"""What the alert and the escalation job have in common: judge, deliver, and say what was done."""

import dagster as dg

from assets.interrupts import stoppable
from monitoring_pipeline.app import Monitoring

__all__ = ["settle"]

_TIMEOUT_S = 60.0


def settle(context: dg.OpExecutionContext, monitoring: Monitoring) -> None:
    """Delivers until nothing is due, for a minute at most; what is left is due again later."""
    with stoppable(context):
        done = monitoring.settle_alerts(_TIMEOUT_S)
    context.add_output_metadata({"sent": done.sent, "failed": done.failed, "left": done.left})
