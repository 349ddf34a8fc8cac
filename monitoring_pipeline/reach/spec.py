"""The YAML of `execution.networks`: what may be reached."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["NetworksSpec"]

Network = IPv4Network | IPv6Network
_METADATA = (IPv4Network("169.254.169.254/32"), IPv4Network("100.100.100.200/32"), IPv6Network("fd00:ec2::254/128"))


class NetworksSpec(BaseModel):
    """Networks that checks may reach. Cloud metadata addresses are denied unless allowed by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[Network, ...] = Field((), description="If given, only these networks (denials still win).")
    deny: tuple[Network, ...] = Field(_METADATA, description="Networks never to be reached.")
