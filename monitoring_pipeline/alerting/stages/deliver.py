"""Writes the notifications: from here on they are the outbox's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.alerting.stage import Batch, Bundle, Fold, Letter, Verdict
from monitoring_pipeline.alerting.telling import Telling, key_of
from monitoring_pipeline.records import Alert, AlertState, Severity
from monitoring_pipeline.store import outbox
from monitoring_pipeline.store.alerts import alerts_by_id
from monitoring_pipeline.store.outbox import Draft, NotificationState
from monitoring_pipeline.store.told import alerts_told, unlink

__all__ = ["deliver"]


def deliver(batch: Batch) -> None:
    """Writes letters and digests. In shadow, and while sending is off, only what would have been sent is kept."""
    sent = []
    for letter in batch.letters:
        silent = batch.silence_of(letter.bundle)
        if silent is None:
            sent.append(letter)
        else:
            detail = f"would have been sent: {letter}, {letter.bundle.why}"
            batch.decide(letter.bundle.alerts, "deliver", silent, detail)
    if not (sent or batch.unwanted or batch.folds):
        return
    telling = _Desk(batch)
    _supersede(batch, [*sent, *(letter for fold in batch.folds.values() for letter in fold.letters)])
    _write(batch, telling, sent)
    for fold in batch.folds.values():
        telling.fold(fold)


def _write(batch: Batch, desk: _Desk, sent: Sequence[Letter]) -> None:
    drafts = [desk.draft(letter) for letter in sent]
    dropped = [desk.draft(letter, dropped=words) for letter, words in batch.unwanted]
    ids = outbox.enqueue(batch.connection, [*drafts, *dropped], batch.now)
    for letter, notification in zip(sent, ids, strict=False):
        detail = f"{letter}, {letter.bundle.why}" + (
            f", due {letter.due:%H:%M:%S} UTC" if letter.due > batch.now else ""
        )
        batch.decide(letter.bundle.alerts, "deliver", Verdict.QUEUED, detail, notification)
    batch.written += len(drafts)


def _supersede(batch: Batch, letters: Iterable[Letter]) -> None:
    """What waits in the same thread for the same recipient says less than what comes now."""
    newer = {(letter.bundle.thread, letter.place): letter for letter in letters}
    old = [
        told for told in batch.held
        if told.state is NotificationState.WAITING and (told.thread, told.place) in newer
    ]  # fmt: skip
    outbox.drop(batch.connection, [told.id for told in old], Verdict.SUPERSEDED.value)
    for told in old:
        alerts = newer[told.thread, told.place].bundle.alerts
        detail = f"notification {told.id} to {told.channel} had waited; what follows says more"
        batch.decide(alerts, "deliver", Verdict.SUPERSEDED, detail, told.id)


class _Desk:
    """Puts letters and digests into the form of the outbox; each bundle is put into words once."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        gathered = alerts_told(batch.connection, [each.digest for each in batch.folds.values() if each.digest])
        self._gathered = {digest: set(ids) for digest, ids in gathered.items()}
        alerts = self._alerts()
        self._telling = Telling(batch.connection, batch.world, batch.now, alerts.values())
        self._known = alerts
        self._messages: dict[tuple[str, str], Message] = {}

    def _alerts(self) -> dict[int, Alert]:
        letters = [*self._batch.letters, *(letter for letter, _ in self._batch.unwanted)]
        letters += [letter for fold in self._batch.folds.values() for letter in fold.letters]
        found = {alert.id: alert for letter in letters for alert in letter.bundle.alerts}
        wanted = {each for ids in self._gathered.values() for each in ids} - found.keys()
        found.update({each: self._batch.alerts[each] for each in wanted & self._batch.alerts.keys()})
        return {**found, **alerts_by_id(self._batch.connection, wanted - found.keys())}

    def draft(self, letter: Letter, dropped: str = "") -> Draft:
        bundle = letter.bundle
        channel, place = letter.place
        key = key_of(bundle.thread, bundle.sequence, channel, place)
        message = self._message(bundle).model_copy(update={"key": key})
        return Draft(
            key=key, kind=bundle.kind.value, reason=bundle.why, channel=channel, thread=bundle.thread,
            severity=bundle.severity, message=message.model_dump_json(), due=letter.due, recipient=place,
            alert_ids=tuple(alert.id for alert in bundle.alerts), error=dropped,
            state=NotificationState.DROPPED if dropped else NotificationState.WAITING,
        )  # fmt: skip

    def _message(self, bundle: Bundle) -> Message:
        name = (bundle.thread, bundle.sequence)
        if name not in self._messages:
            self._messages[name] = self._telling.message(bundle)
        return self._messages[name]

    def fold(self, fold: Fold) -> None:
        """Writes a new digest, or what became of one that gathers already."""
        ids = set(self._gathered.get(fold.digest or 0, ())) - fold.over
        ids |= {alert.id for letter in fold.letters for alert in letter.bundle.alerts}
        alerts = [self._known[each] for each in sorted(ids) if each in self._known]
        digest = fold.digest
        if digest is None:
            digest = self._begin(fold, alerts)
        elif alerts:
            self._continue(fold, digest, alerts)
        else:
            outbox.drop(self._batch.connection, [digest], Verdict.RESOLVED_IN_DIGEST.value)
        for letter in fold.letters:
            detail = f"{letter}, {letter.bundle.why}: too many messages, digest {digest} at {fold.due:%H:%M:%S} UTC"
            self._batch.decide(letter.bundle.alerts, "throttle", Verdict.FOLDED, detail, digest)

    def _begin(self, fold: Fold, alerts: Sequence[Alert]) -> int:
        channel, place = fold.recipient.channel, fold.recipient.address
        thread = f"digest/{channel}#{fold.due:%Y%m%dT%H%M%S.%f}"
        key, severity = key_of(thread, channel, place), _worst(alerts)
        message = self._telling.digest(key, thread, severity, alerts)
        draft = Draft(
            key=key, kind=Kind.DIGEST.value, reason=message.reason, channel=channel, thread=thread, severity=severity,
            message=message.model_dump_json(), due=fold.due, recipient=place,
            alert_ids=tuple(alert.id for alert in alerts), state=NotificationState.COLLECTING,
        )  # fmt: skip
        self._batch.written += 1
        return outbox.enqueue(self._batch.connection, [draft], self._batch.now)[0]

    def _continue(self, fold: Fold, digest: int, alerts: Sequence[Alert]) -> None:
        channel, place = fold.recipient.channel, fold.recipient.address
        thread = f"digest/{channel}#{fold.due:%Y%m%dT%H%M%S.%f}"
        severity = _worst(alerts)
        message = self._telling.digest(key_of(thread, channel, place), thread, severity, alerts)
        ids = [alert.id for alert in alerts]
        unlink(self._batch.connection, [(digest, alert) for alert in sorted(fold.over)])
        outbox.gather(self._batch.connection, digest, message.model_dump_json(), severity, ids)


def _worst(alerts: Iterable[Alert]) -> Severity:
    found = list(alerts)
    live = [alert for alert in found if alert.state is not AlertState.RESOLVED]
    return max((alert.severity for alert in live or found), key=lambda each: each.rank)
