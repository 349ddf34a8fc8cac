"""A process that serves slots until it is killed: `python -m tests.stories.serving URL LOG SECONDS [STEP]`.

It writes down every probe before making it and every batch after its commit, so that a test can
compare what was done with what the store says. With a STEP it kills itself there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from monitoring_pipeline.checks import run
from monitoring_pipeline.checks.spec import ExecutionSpec
from monitoring_pipeline.clock import system_clock, to_us
from monitoring_pipeline.records import Source
from monitoring_pipeline.store.operational import OperationalStore
from tests.checks.scripted import bound

__all__ = ["CHECKS", "STEPS"]

CHECKS = [bound(f"source-{n}", interval="1s", takes_s=0.02 * (n % 5)) for n in range(20)]
STEPS = ("before-claim", "after-claim", "before-probe", "after-probe", "before-record", "after-record")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    url, log, seconds, step = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), (*sys.argv[4:], "")[0]
    journal = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    store = OperationalStore.open(url, system_clock())
    execute, claim_due, record = run.execute, run.claim_due, run.record
    server_commit = run._Server._commit
    life = [3]  # let some work succeed before the end

    def at(here: str) -> None:
        if here == step:
            life[0] -= 1
            if life[0] < 0:
                _die()

    async def watched_execute(check, slot, around, **options):
        at("before-probe")
        os.write(journal, f"probe {check.key} {to_us(slot)}\n".encode())
        result = await execute(check, slot, around, **options)
        at("after-probe")
        return result

    def watched_claim(*args, **options):
        at("before-claim")
        return claim_due(*args, **options)

    def watched_record(connection, batch, **options):
        outcome = record(connection, batch, **options)
        at("before-record")
        return outcome

    def watched_commit(server, batch, claiming):
        outcome, claimed, telling = server_commit(server, batch, claiming)
        if claimed:
            at("after-claim")
        if outcome is not None:
            lines = "".join(f"kept {result.key} {to_us(result.slot)}\n" for result in batch)
            os.write(journal, lines.encode())
            at("after-record")
        return outcome, claimed, telling

    run.execute, run.claim_due, run.record = watched_execute, watched_claim, watched_record
    run._Server._commit = watched_commit
    now = system_clock()
    room = run.Room(store, [Source(c.source.id) for c in CHECKS], CHECKS, ExecutionSpec(), system_clock)
    asyncio.run(run.serve(room, now, now + timedelta(seconds=seconds)))
    store.close()


if __name__ == "__main__":
    main()
