"""`grpc`: the standard health service of a gRPC server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import CheckError, MissingExtra, SourceFailure
from monitoring_pipeline.reach.endpoint import Endpoint

if TYPE_CHECKING:
    from grpc.aio import AioRpcError, Channel  # type: ignore[import-untyped]  # no types there

__all__ = ["GrpcCheck"]

_SCHEMES = {"grpc": 50051}
# Every probe gets a connection of its own (the pool would remember a refusal) and no proxy.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0))


class GrpcCheck(Check):
    """Asks `grpc.health.v1.Health/Check` about the server or one of its services.

    Values: `status` (SERVING, NOT_SERVING, UNKNOWN) and `response_time_ms` (connect included).
    """

    kind: Literal["grpc"]
    target: str = Field(description="host:port")
    service: str = Field("", description="The service to ask about; empty for the server as a whole.")
    tls: bool = False
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")
    metadata: Mapping[str, SecretStr] = Field(default_factory=dict, description="Headers to send, such as a token.")

    metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms"}
    default_conditions: ClassVar[tuple[str, ...]] = ('status == "SERVING"',)
    extra: ClassVar[str | None] = "grpc"

    @field_validator("target")
    @classmethod
    def _target_is_host_and_port(cls, target: str) -> str:
        if "://" in target:
            raise ValueError("expected host:port, without a scheme")
        return str(Endpoint.parse(f"grpc://{target}", _SCHEMES))

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        from grpc_health.v1 import health_pb2_grpc  # noqa: F401 - brought in

    async def probe(self, context: ProbeContext) -> Probe:
        """Asks once. Raises SourceFailure when nothing, or nobody who knows the service, answers."""
        try:
            import grpc  # type: ignore[import-untyped]  # noqa: F401 - both packages of the extra must be there
            from grpc_health.v1 import health_pb2
        except ImportError:
            raise MissingExtra("grpc", "grpc") from None
        await Endpoint.parse(f"grpc://{self.target}", _SCHEMES).permitted(context)
        started = time.perf_counter()
        status = await self._ask()
        values = {
            "status": health_pb2.HealthCheckResponse.ServingStatus.Name(status),
            "response_time_ms": (time.perf_counter() - started) * 1000,
        }
        return Probe(values, details={"service": self.service} if self.service else {})

    async def _ask(self) -> Any:
        from grpc.aio import AioRpcError
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        async with self._channel() as channel:
            metadata = [(name.lower(), value.get_secret_value()) for name, value in self.metadata.items()]
            request = health_pb2.HealthCheckRequest(service=self.service)
            try:
                return (await health_pb2_grpc.HealthStub(channel).Check(request, metadata=metadata)).status
            except AioRpcError as error:
                raise self._failure(error) from error

    def _channel(self) -> Channel:
        import grpc

        if not self.tls:
            return grpc.aio.insecure_channel(self.target, options=_OPTIONS)
        try:
            roots = self.ca_file.read_bytes() if self.ca_file else None
        except OSError as error:
            raise CheckError(f"the CA file {self.ca_file} cannot be read: {error.strerror}") from error
        return grpc.aio.secure_channel(self.target, grpc.ssl_channel_credentials(roots), options=_OPTIONS)

    def _failure(self, error: AioRpcError) -> SourceFailure:
        import grpc

        code, detail = error.code(), (error.details() or "").strip()
        if code is grpc.StatusCode.NOT_FOUND:
            return SourceFailure(f"{self.target} does not know the service {self.service!r}")
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return SourceFailure(f"{self.target} does not offer the gRPC health service")
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            return SourceFailure(f"{self.target} denied us access: {detail[:200]}")
        if code is grpc.StatusCode.UNAVAILABLE:
            return SourceFailure(_unavailable(self.target, detail))
        return SourceFailure(f"{self.target} answered {code.name}: {detail[:200]}")


def _unavailable(target: str, detail: str) -> str:
    """gRPC tells the reason only inside a long text."""
    known = {
        "Connection refused": f"connection refused by {target}",
        "CERTIFICATE_VERIFY_FAILED": f"the certificate of {target} is not trusted",
        "WRONG_VERSION_NUMBER": f"{target} does not speak TLS",
        "handshake": f"TLS with {target} failed",
        "Socket closed": f"{target} closed the connection before it answered",
        "Connection reset": f"{target} reset the connection",
        "GOAWAY": f"{target} closed the connection before it answered",
        "No route": f"no route to {target}",
    }
    said = next((words for mark, words in known.items() if mark.lower() in detail.lower()), None)
    return said or f"{target} is unavailable: {detail.rpartition(': ')[2][:200] or 'no reason given'}"
