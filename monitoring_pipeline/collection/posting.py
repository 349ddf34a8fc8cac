"""Sends batches of attempts to the API over one kept connection. Standard library only."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
from urllib.parse import urlsplit

from monitoring_pipeline.collection.answer import Answer

__all__ = ["Post"]

_AGAIN = frozenset({401, 403, 404, 408, 421, 425, 429})
"""Besides 5xx, what somebody may set right on the server's side: the attempts wait for it."""


class Post:
    """One address; `url` is the API's, such as https://monitoring.example.com. Raises ValueError for nonsense.

    It connects directly, whatever proxies the environment names, and follows no redirects.
    """

    def __init__(self, url: str, token: str = "", timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the API's URL begins with http:// or https://, not {url!r:.100}")
        self.address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = f"{parts.path.rstrip('/')}/collections"
        self._headers = {"Content-Type": "application/json", "User-Agent": "monitoring-pipeline-collector"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def send(self, lines: list[bytes], timeout_s: float | None = None) -> Answer:
        """Sends one batch, within `timeout_s` where that is less than usual; raises nothing."""
        timeout_s = self._timeout_s if timeout_s is None else max(0.05, min(timeout_s, self._timeout_s))
        body = b"[" + b",".join(lines) + b"]"
        for fresh in (self._connection is None, True):
            try:
                return self._exchange(body, timeout_s)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                # A kept connection may have been closed by the server meanwhile; try once with a new one.
                if fresh:
                    return Answer(False, again=True, problem=f"cannot reach {self.address}: {_told(error)}")
        raise AssertionError  # the second try is always fresh

    def _exchange(self, body: bytes, timeout_s: float) -> Answer:
        connection = self._connection = self._connection or self._connect()
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        said = response.read(100_000)
        if response.will_close or not response.isclosed():
            self.close()
        return _judged(response.status, response.getheader("Retry-After") or "", said)

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)

    def close(self) -> None:
        """Closes the connection; the next batch opens another."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    def forget(self) -> None:
        """In a forked child: the connection is the parent's, and must not be shut down from here."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            os.close(connection.sock.detach())


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _judged(status: int, retry_after: str, said: bytes) -> Answer:
    if 200 <= status < 300:
        return Answer(True, problem=_rejections(said))
    detail = f"it answered {status}: {_detail(said)}"
    if status < 500 and status not in _AGAIN:
        return Answer(False, problem=detail)
    wait_s = min(60.0, float(retry_after)) if retry_after.isdecimal() else 0.0
    return Answer(False, again=True, problem=detail, wait_s=wait_s)


def _rejections(said: bytes) -> str:
    """What the server did not like about single attempts of a batch it took."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        rejected = json.loads(said).get("rejected") or []
        if rejected:
            return f"it refused {len(rejected)} of the attempts, the first because {rejected[0]['problem']}"
    return ""


def _detail(said: bytes) -> str:
    try:
        return str(json.loads(said)["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return said[:300].decode(errors="replace")
