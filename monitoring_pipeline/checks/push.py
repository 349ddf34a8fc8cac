"""The unguessable tokens in the push URLs of heartbeat checks.

A token is the HMAC of the check's key under a secret that the installation makes once, so nothing
has to be stored per check, a token survives restarts, and knowing one tells nothing of another.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from monitoring_pipeline.errors import StoreError

__all__ = ["SECRET_FILE", "push_secret", "push_token"]

SECRET_FILE = "push.key"  # noqa: S105 - its name
_SECRET_BYTES = 32


def push_secret(directory: Path) -> bytes:
    """The installation's secret, made at the first call. Whoever else makes it at that moment, all get the same.

    Raises StoreError when the file cannot be read or made, or does not hold a secret.
    """
    path = directory / SECRET_FILE
    try:
        if not path.exists():
            _make(path)
        secret = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot use {path}, the secret of the push URLs: {error}") from error
    if len(secret) < _SECRET_BYTES:
        raise StoreError(
            f"{path} holds {len(secret)} bytes, not the {_SECRET_BYTES} of a secret; remove it to get a new one "
            "(all push URLs change)"
        )
    return secret


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and never over the secret of somebody faster.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def push_token(secret: bytes, key: str) -> str:
    """The token of one heartbeat check: 43 characters that are safe in a URL."""
    digest = hmac.new(secret, f"push/{key}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
