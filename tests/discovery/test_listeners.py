"""Listeners are found, and told apart by speaking to them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from monitoring_pipeline.discovery.listeners import Listener, identify, listeners
from monitoring_pipeline.discovery.machine import name_servers


@contextmanager
def server(answer: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[int]:
    """A TCP server that hands each connection to `answer`."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, suppress(OSError):
                        client.settimeout(5)
                        answer(client)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def greets(data: bytes) -> Callable[[socket.socket], None]:
    return lambda client: client.sendall(data)


def answers(expected: bytes, data: bytes) -> Callable[[socket.socket], None]:
    """Answers what begins as expected, and hangs up on everything else."""

    def answer(client: socket.socket) -> None:
        if client.recv(4096).startswith(expected):
            client.sendall(data)

    return answer


SERVERS = {
    "ssh": greets(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "nats": greets(b'INFO {"server_id":"X"}\r\n'),
    "smtp": greets(b"220 mail.example.com ESMTP\r\n"),
    "mysql": greets(b"\x4a\x00\x00\x00\x0a8.4.0\x00rest"),
    "http": answers(b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\n\r\n"),
    "redis": answers(b"PING", b"-NOAUTH Authentication required.\r\n"),
    "postgresql": answers(b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N"),
    "amqp": answers(b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00\x00\x00\x00\x10"),
    "mqtt": answers(b"\x10", b"\x20\x02\x00\x05"),
    "": answers(b"nothing says this", b""),
}


@pytest.mark.parametrize("protocol", SERVERS)
def test_protocols(protocol: str) -> None:
    with server(SERVERS[protocol]) as port:
        assert identify(Listener("127.0.0.1", port)) == protocol


def test_tls(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    def answer(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as wrapped:
            wrapped.recv(10)

    with server(answer) as port:
        assert identify(Listener("127.0.0.1", port)) == "https"


def test_a_web_server_that_wants_tls() -> None:
    said = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    with server(answers(b"GET", said)) as port:
        assert identify(Listener("127.0.0.1", port)) == "https"


def test_one_that_is_gone() -> None:
    with server(greets(b"")) as port:
        pass
    assert identify(Listener("127.0.0.1", port)) == ""


def test_ports_handed_out_by_the_system_are_temporary() -> None:
    with server(greets(b"")) as port, server(greets(b""), "::1") as six:
        assert not {port, six} & {listener.port for listener in listeners()}
        found = {listener.port: listener for listener in listeners(also=(port, six))}
        assert (found[port].host, found[six].host) == ("127.0.0.1", "::1")
        assert found[port].program.startswith(("python", "pytest"))
        assert port not in {listener.port for listener in listeners(also=(port,), without=(port,))}


def test_name_servers(tmp_path: Path) -> None:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("# mine\nsearch example.com\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver 2001:db8::1")
    assert name_servers(resolv) == ["192.0.2.1", "2001:db8::1"]
    assert name_servers(tmp_path / "none") == []
