"""`Monitoring`: configuration, stores and clock, opened once by every surface.

Its doors for sources, checks, alerts and history are in `monitoring.py`. A topic with doors of its own has a file of
its own here, and hangs on `Monitoring` by its name: `monitoring.quality.run(...)`. Doors join rooms and decide nothing.
"""

from monitoring_pipeline.app.monitoring import CONFIG_VARIABLE, LAST_GOOD_VARIABLE, Monitoring, config_path

__all__ = ["CONFIG_VARIABLE", "LAST_GOOD_VARIABLE", "Monitoring", "config_path"]
