"""Read models: what the API, the CLI, the dashboard and notebooks show, computed once, here.

Nothing here writes, and nothing knows how it will be displayed.
"""

from monitoring_pipeline.reports.overview import CheckView, ComponentView, Overview, SourceView, Watch, overview

__all__ = ["CheckView", "ComponentView", "Overview", "SourceView", "Watch", "overview"]
