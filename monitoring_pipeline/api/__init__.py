"""The HTTP surface: health as JSON, push URLs of heartbeats, and the status page.

    app = create_app(Monitoring.open())      # or: python -m monitoring_pipeline.api

Everything shown comes from `reports`; nothing is judged or queried here. What many ask at once is
read once (`snapshots`), drawn once (`painting`) and handed out as bytes.
"""

from monitoring_pipeline.api.application import create_app

__all__ = ["create_app"]
