"""What commands that change something share: who it is, the open transaction, refusals as wrong command lines."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import opened
from monitoring_pipeline.cli.root import Refused

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitoring_pipeline.app import Monitoring

__all__ = ["USER_VARIABLE", "Acting", "acting", "actor"]

USER_VARIABLE = "BUSTA_USER"


@dataclass(frozen=True, slots=True)
class Acting:
    """One change of one installation by one person; all of it commits when the block ends."""

    monitoring: Monitoring
    connection: Connection
    by: str
    now: datetime


def actor() -> str:
    """Who acts: $BUSTA_USER, else the user of the operating system."""
    import getpass

    given = os.environ.get(USER_VARIABLE, "").strip()
    if given:
        return given[:200]
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return f"uid {os.getuid()}"


@contextlib.contextmanager
def acting() -> Iterator[Acting]:
    """The installation with a transaction to change it in. What makes no sense ends as Refused."""
    from monitoring_pipeline.alerting.actions import Refusal

    with opened() as monitoring:
        try:
            with monitoring.store.write() as connection:
                yield Acting(monitoring, connection, actor(), monitoring.clock())
        except Refusal as error:
            raise Refused(str(error), exits.USAGE) from None
