"""A report as an e-mail: the page with its pictures, the same as text, and the files somebody wants of it."""

from __future__ import annotations

from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from monitoring_pipeline.alerting.delivery.letter import message_id
from monitoring_pipeline.reports.periodic.document import Picture, Report
from monitoring_pipeline.reports.periodic.flat import to_csv, to_json
from monitoring_pipeline.reports.periodic.html import to_html
from monitoring_pipeline.reports.periodic.markdown import to_markdown
from monitoring_pipeline.reports.spec import Attachment

__all__ = ["WRITERS", "letter"]

WRITERS = {"html": to_html, "markdown": to_markdown, "csv": to_csv, "json": to_json}
"""How a report is written in each format."""

_POLICY = SMTP.clone(cte_type="7bit")
_FILES = {"html": ("html", "html"), "markdown": ("md", "markdown"), "csv": ("csv", "csv"), "json": ("json", "json")}


def letter(
    report: Report,
    key: str,
    sender: Address,
    recipients: Sequence[Address],
    reply_to: Address | None = None,
    attach: Sequence[Attachment] = (),
) -> EmailMessage:
    """The e-mail. Its Message-ID is made of `key`: sent twice, it is the same one."""
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = " ".join(f"{report.installation}: report of {report.title}".split())[:250]
    mail["From"], mail["To"] = sender, tuple(recipients)
    if reply_to is not None:
        mail["Reply-To"] = reply_to
    mail["Date"] = format_datetime(report.made)
    mail["Message-ID"] = message_id(key, sender.domain)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(to_markdown(report), cte="quoted-printable")
    _add_page(mail, report, sender.domain)
    for format_ in attach:
        ending, subtype = _FILES[format_]
        name = f"{report.scope}-{report.period.name}.{ending}"
        mail.add_attachment(WRITERS[format_](report).encode(), "text", subtype, filename=name)
    return mail


def _add_page(mail: EmailMessage, report: Report, domain: str) -> None:
    """The page beside the text; mail programs show attached pictures, not embedded ones."""
    pictures = [picture for section in report.sections.values() for picture in section.pictures]

    def cid(picture: Picture) -> str:
        return f"{picture.name}@{domain}"

    mail.add_alternative(to_html(report, lambda each: f"cid:{cid(each)}"), subtype="html", cte="quoted-printable")
    page = mail.get_payload()[1]  # type: ignore[index]
    for each in pictures:
        page.add_related(  # type: ignore[union-attr]
            each.png, "image", "png", cid=f"<{cid(each)}>", filename=f"{each.name}.png", disposition="inline"
        )
