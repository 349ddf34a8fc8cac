"""Reports about a day, a week or a month: of the whole system, of a component, or of a source.

`run.report` is the door. A section is one question and one file in `sections/`; what it answers is a `document`, plain
figures, tables and pictures, which `html`, `markdown` and `flat` write down. `sending` mails what `reports:` names.
"""

from monitoring_pipeline.reports.periodic.document import Report
from monitoring_pipeline.reports.periodic.period import Period, period_before, period_of
from monitoring_pipeline.reports.periodic.run import Parts, report

__all__ = ["Parts", "Period", "Report", "period_before", "period_of", "report"]
