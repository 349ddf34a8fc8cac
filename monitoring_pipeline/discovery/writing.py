"""Writes what was found as YAML files, with comments for who reads them next."""

from __future__ import annotations

import socket
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from monitoring_pipeline.discovery.alerting import ALERTING
from monitoring_pipeline.discovery.found import GROUPS, Found
from monitoring_pipeline.discovery.promises import promises_for
from monitoring_pipeline.discovery.run import Discovery
from monitoring_pipeline.discovery.sample_data import sample_suites

__all__ = ["existing", "files_of", "write"]

_WIDTH = 110
_SHORT = {"tags", "depends_on", "watch", "masked"}

_HEAD = """\
# What this installation watches, and how. Written by `busta init`; it is yours to change.
#
#   busta config validate      says everything that is wrong, with file, line and column
#   busta config schema        JSON Schema, so that editors complete and explain every key
#   busta up                   starts watching; changes of these files are picked up while it runs
#
# Texts may hold ${{VARIABLE}}, ${{VARIABLE:-default}} and ${{file:/path}}: passwords belong there, not here.

version: 1
name: {name}

# One file per topic; any file you put into sources/ counts. Their order does not matter. When to alert and
# whom to tell is in alerting.yaml, what was promised in promises.yaml.
include: ["sources/*.yaml", alerting.yaml, promises.yaml]

# Everything that is written lies below `directory`. `operational:` takes a postgresql:// URL instead.
stores:
  directory: .busta

# How long things are kept. `hot` is what the status page needs at once, the rest lies in DuckDB.
retention:
  hot: 2h
  results: 400d
  samples: 90d

# The status page and the API. Loopback only: put a proxy with a log-in before it to show it to others.
api:
  host: 127.0.0.1
  port: ${{BUSTA_API_PORT:-{api_port}}}
  dagster_url: http://127.0.0.1:${{BUSTA_DAGSTER_PORT:-{dagster_port}}}

# Days and weeks repeat in this time zone: what is normal at night, on Sundays and on `holidays` differs.
analysis:
  timezone: {timezone}

execution:
  concurrency: 200       # probes under way at once
  # `command` checks start programs: switch them on if you trust everybody who may change these files.
  allow_commands: false
{connectivity}
# What holds for every check that says nothing else.
defaults:
  check:
    interval: 30s
    timeout: 10s
    retries: 1

# Sources are grouped by component; a component is as bad as its worst source.
components:
{components}"""

_CONNECTIVITY = """\
  connectivity:
    # When none of these answers although one did before, we are cut off: what cannot be reached is
    # then unknown, not critical. These are this machine's name servers.
    targets: [{targets}]
"""

_TEMPLATE = """\
templates:
  public-open-data:
    enabled: {enabled}
    component: public-open-data
    tags: [public, internet]
    criticality: low

"""
_COMPONENTS = {
    "machine": "This machine and its network",
    "services": "What runs on this machine",
    "monitoring": "The monitoring itself",
    "samples": "The sample data set",
    "public-open-data": "Public open data on the internet",
}


def files_of(discovery: Discovery, folder: Path, config: Path) -> dict[Path, str]:
    """The files to write, by path. Raises nothing and writes nothing."""
    used = {found.group for found in discovery.found}
    files = {
        config: _head(discovery, config),
        folder / "alerting.yaml": ALERTING,
        folder / "promises.yaml": promises_for(used),
    }
    for group, about in GROUPS.items():
        members = [found for found in discovery.found if found.group == group]
        if members:
            files[folder / "sources" / f"{group}.yaml"] = _group_file(about, members)
    if "samples" in used:
        files[folder / "sources" / "samples.yaml"] += _suites(sample_suites(folder / "samples"))
    return files


def existing(files: Iterable[Path]) -> list[Path]:
    """Those that are there already."""
    return [file for file in files if file.exists()]


def write(files: Mapping[Path, str]) -> None:
    """Writes every file in one step each; folders are made."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def _head(discovery: Discovery, config: Path) -> str:
    used = {found.group for found in discovery.found}
    components = "".join(f"  {group}:\n    description: {_COMPONENTS[group]}\n" for group in GROUPS if group in used)
    targets = [f"[{server}]:53" if ":" in server else f"{server}:53" for server in discovery.name_servers]
    quoted = ", ".join(f'"{target}"' for target in targets)
    return _HEAD.format(
        name=_scalar(socket.gethostname() or config.stem),
        api_port=discovery.ports.api,
        dagster_port=discovery.ports.dagster,
        timezone=_scalar(discovery.timezone),
        connectivity=_CONNECTIVITY.format(targets=quoted) if targets else "",
        components=components,
    )


def _group_file(about: str, members: Sequence[Found]) -> str:
    lines = "\n".join(f"# {line}" for line in textwrap.wrap(about, _WIDTH - 2))
    template = ""
    if members[0].group == "public-open-data":
        template = _TEMPLATE.format(enabled="true" if members[0].enabled else "false")
    return f"{lines}\n\n{template}sources:\n" + "\n".join(_entry(found) for found in members)


def _suites(suites: Mapping[str, Mapping[str, Any]]) -> str:
    entries = (f"  {name}:\n{textwrap.indent(_yaml(spec), '    ')}" for name, spec in suites.items())
    return (
        "\n# What the data should look like: `busta quality run` judges it now, Dagster every hour.\nsuites:\n"
        + "\n".join(entries)
    )


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: lists indented, short ones on one line, long texts as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


class _Line(list[Any]):
    """A list on one line."""


_Dumper.add_representer(
    _Line, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _entry(found: Found) -> str:
    comment = "".join(f"  # {line}\n" for line in found.hint.splitlines())
    body = textwrap.indent(_yaml(found.source), "    ")
    return f"{comment}  - {body[4:]}"


def _yaml(value: Mapping[str, Any]) -> str:
    return str(yaml.dump(_plain(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner, name) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_plain(inner) for inner in value]
        return _Line(items) if key in _SHORT else items
    return value


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, width=1000).removesuffix("\n").removesuffix("\n...")
