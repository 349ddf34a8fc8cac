"""Writes the notifications: from here on they are the outbox's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.alerting.owed import Owed
from monitoring_pipeline.alerting.stage import Batch, Bundle, Fold, Letter, Verdict
from monitoring_pipeline.alerting.telling import Telling, key_of
from monitoring_pipeline.records import Alert, AlertState, Severity
from monitoring_pipeline.store import outbox
from monitoring_pipeline.store.alerts import alerts_by_id
from monitoring_pipeline.store.outbox import Draft, NotificationState
from monitoring_pipeline.store.told import Told, alerts_told, unlink

__all__ = ["deliver"]


def deliver(batch: Batch) -> None:
    """Writes letters and digests. In shadow, and while sending is off, only what would have been sent is kept."""
    sent = []
    for letter in batch.letters:
        silent = batch.withheld(letter.bundle)
        if silent is None:
            sent.append(letter)
        else:
            detail = f"would have been sent: {letter}, {letter.bundle.why}"
            batch.decide(letter.bundle.alerts, "deliver", silent, detail)
    if sent or batch.unwanted or batch.folds:
        batch.letters = _supersede(batch, sent)
        for fold in batch.folds.values():
            fold.letters = _supersede(batch, fold.letters)
        desk = _Desk(batch)
        _write(batch, desk, batch.letters)
        for fold in batch.folds.values():
            desk.fold(fold)


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


def _supersede(batch: Batch, letters: Sequence[Letter]) -> list[Letter]:
    """What waits in the same thread for the same recipient says less than what comes now, which takes its place.

    Ends that only the older one would have told go into the newer one.
    """
    newer = {(letter.bundle.thread, letter.place) for letter in letters}
    old = [
        told for told in batch.held
        if told.state is NotificationState.WAITING and (told.thread, told.place) in newer
    ]  # fmt: skip
    if not old:
        return list(letters)
    owed = Owed(batch, old)
    outbox.drop(batch.connection, [told.id for told in old], Verdict.SUPERSEDED.value)
    return [_replacing(batch, letter, owed, old) for letter in letters]


def _replacing(batch: Batch, letter: Letter, owed: Owed, old: Sequence[Told]) -> Letter:
    bundle = letter.bundle
    replaced = [told for told in old if (told.thread, told.place) == (bundle.thread, letter.place)]
    for told in replaced:
        detail = f"notification {told.id} to {told.channel} had waited; what follows says more"
        batch.decide(bundle.alerts, "deliver", Verdict.SUPERSEDED, detail, told.id)
    known = {alert.id for alert in bundle.alerts}
    more = [alert for alert in owed.ends(replaced) if alert.id not in known]
    return replace(letter, bundle=replace(bundle, alerts=(*bundle.alerts, *more))) if more else letter


class _Desk:
    """Puts letters and digests into the form of the outbox; each bundle is put into words once."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        gathered = alerts_told(batch.connection, [each.digest.id for each in batch.folds.values() if each.digest])
        self._gathered = {digest: set(ids) for digest, ids in gathered.items()}
        alerts = self._alerts()
        self._telling = Telling(batch.connection, batch.world, batch.now, alerts.values())
        self._known = alerts
        self._messages: dict[int, Message] = {}

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
        # A bundle is known by the object that it is: recipients with ends of their own have one of their own.
        found = self._messages.get(id(bundle))
        if found is None:
            found = self._messages[id(bundle)] = self._telling.message(bundle)
        return found

    def fold(self, fold: Fold) -> None:
        """Writes a new digest, or what became of one that gathers already."""
        ids = set(self._gathered.get(fold.digest.id, ())) - fold.over if fold.digest else set()
        ids |= {alert.id for letter in fold.letters for alert in letter.bundle.alerts}
        alerts = [self._known[each] for each in sorted(ids) if each in self._known]
        if fold.digest is None:
            digest = self._begin(fold, alerts)
        else:
            digest = fold.digest.id
            self._continue(fold, fold.digest, alerts)
        for letter in fold.letters:
            detail = f"{letter}, {letter.bundle.why}: too many messages, digest {digest} at {fold.due:%H:%M:%S} UTC"
            self._batch.decide(letter.bundle.alerts, "throttle", Verdict.FOLDED, detail, digest)

    def _begin(self, fold: Fold, alerts: Sequence[Alert]) -> int:
        channel, place = fold.letters[0].place
        # Named after its first letter: no other digest ever began with that one.
        first = fold.letters[0].bundle
        thread = f"digest/{channel}#{key_of(first.thread, first.sequence, channel, place)}"
        key, severity = key_of(thread, channel, place), _worst(alerts)
        message = self._telling.digest(key, thread, severity, alerts)
        draft = Draft(
            key=key, kind=Kind.DIGEST.value, reason=message.reason, channel=channel, thread=thread, severity=severity,
            message=message.model_dump_json(), due=fold.due, recipient=place,
            alert_ids=tuple(alert.id for alert in alerts), state=NotificationState.COLLECTING,
        )  # fmt: skip
        self._batch.written += 1
        return outbox.enqueue(self._batch.connection, [draft], self._batch.now)[0]

    def _continue(self, fold: Fold, digest: Told, alerts: Sequence[Alert]) -> None:
        if not alerts:
            outbox.drop(self._batch.connection, [digest.id], Verdict.RESOLVED_IN_DIGEST.value)
            return
        severity = _worst(alerts)
        message = self._telling.digest(key_of(digest.thread, *digest.place), digest.thread, severity, alerts)
        unlink(self._batch.connection, [(digest.id, alert) for alert in sorted(fold.over)])
        ids = [alert.id for alert in alerts]
        outbox.gather(self._batch.connection, digest.id, message.model_dump_json(), severity, ids)


def _worst(alerts: Iterable[Alert]) -> Severity:
    found = list(alerts)
    live = [alert for alert in found if alert.state is not AlertState.RESOLVED]
    return max((alert.severity for alert in live or found), key=lambda each: each.rank)
