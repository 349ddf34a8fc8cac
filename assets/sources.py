"""Sources as external assets: the asset graph shows what is monitored, who owns it and what it affects.

The key of a source is [component, source id], its group the component, its dependencies are edges. Its
asset check `health` is reported from outside (see `status_reports`) whenever the status moves, and can be
executed by hand: that runs the source's checks at once.

Dagster allows fewer characters in names than we do, so names are folded here and nowhere else.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import dagster as dg

from assets.interrupts import stoppable
from assets.status_reports import CHECK_NAME, verdict
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.checks.kinds.sql import SqlCheck
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.records import Source

__all__ = ["group_names", "source_assets", "source_checks", "source_keys"]

_MAX_KINDS = 3
_MAX_TAG = 63
_CHECKS_PER_STEP = 250
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")


def source_keys(sources: Iterable[Source]) -> dict[str, dg.AssetKey]:
    """The asset key of every source, by source id."""
    return {source.id: dg.AssetKey([source.component, source.id]) for source in sources}


def group_names(components: Iterable[str]) -> dict[str, str]:
    """A group name Dagster accepts for every component; two components never share one."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for component in sorted(set(components)):
        folded = re.sub(r"[^A-Za-z0-9_]+", "_", component).strip("_") or "component"
        name, count = folded, 1
        while name in taken:
            count += 1
            name = f"{folded}_{count}"
        taken.add(name)
        names[component] = name
    return names


def source_assets(sources: Sequence[Source], checks: Iterable[BoundCheck]) -> list[dg.AssetSpec]:
    """One external asset per source."""
    keys = source_keys(sources)
    groups = group_names(source.component for source in sources)
    by_source: dict[str, list[BoundCheck]] = defaultdict(list)
    for bound in checks:
        by_source[bound.source.id].append(bound)
    return [_asset(source, keys, groups[source.component], by_source[source.id]) for source in sources]


def _asset(source: Source, keys: Mapping[str, dg.AssetKey], group: str, checks: Sequence[BoundCheck]) -> dg.AssetSpec:
    owners = _owners(source.owner)
    metadata: dict[str, object] = {"checks": _check_table(checks)} if checks else {}
    if source.owner and not owners:
        metadata["owner"] = source.owner
    tags = _tags(source)
    if any(tag not in tags for tag in source.tags):
        metadata["tags"] = ", ".join(source.tags)
    return dg.AssetSpec(
        keys[source.id],
        group_name=group,
        deps=[keys[other] for other in dict.fromkeys(source.depends_on) if other in keys],
        owners=owners,
        tags=tags,
        kinds=set(list(dict.fromkeys(_kind(bound) for bound in checks))[:_MAX_KINDS]),
        description=_description(source),
        metadata=metadata,
    )


def _owners(owner: str) -> list[str]:
    """Dagster knows e-mail addresses and teams; whoever is not an address is a team."""
    name = owner.removeprefix("team:").strip()
    if not name:
        return []
    return [name] if _EMAIL.fullmatch(name) else [f"team:{name}"]


def _tags(source: Source) -> dict[str, str]:
    """`env:prod` and `env=prod` become key and value, everything else a key."""
    tags = {"criticality": source.criticality.value}
    for tag in source.tags:
        key, _, value = re.sub("=", ":", tag, count=1).partition(":")
        key, value = _fold(key) or "_", _fold(value)
        if tags.get(key, value) != value:
            key, value = _fold(tag) or "_", ""
        tags[key] = value
    return tags


def _fold(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text.strip())[:_MAX_TAG]


def _kind(bound: BoundCheck) -> str:
    """The check's kind; of a database its product, which the UI has a picture for."""
    if isinstance(bound.check, SqlCheck):
        dialect = bound.check.url.get_secret_value().partition(":")[0].partition("+")[0]
        return "postgres" if dialect == "postgresql" else _fold(dialect)
    return _fold(bound.check.kind).lower()


def _description(source: Source) -> str:
    title = source.name if source.name and source.name != source.id else ""
    return "\n\n".join(part for part in (title, source.description) if part)


def _check_table(checks: Sequence[BoundCheck]) -> dg.TableMetadataValue:
    columns = ("check", "kind", "type", "every", "critical")
    rows = [
        {
            "check": bound.check.id,
            "kind": bound.check.kind,
            "type": bound.check.type.value,
            "every": bound.check.cron or format_duration(bound.check.interval),
            "critical": bound.check.critical,
        }
        for bound in checks
    ]
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return dg.TableMetadataValue([dg.TableRecord(row) for row in rows], schema)


def source_checks(sources: Sequence[Source]) -> list[dg.AssetChecksDefinition]:
    """The asset check `health` of every source; executing it runs the source's checks now."""
    keys = source_keys(sources)
    specs = [
        dg.AssetCheckSpec(CHECK_NAME, asset=key, description="Is the source healthy? The worst of its checks.")
        for key in keys.values()
    ]
    ids = {key: source_id for source_id, key in keys.items()}
    steps = [step for wave in _waves(specs) for step in _chunks(wave)]
    return [_check_now(f"check_now_{number}", step, ids) for number, step in enumerate(steps, start=1)]


def _chunks(specs: Sequence[dg.AssetCheckSpec]) -> list[Sequence[dg.AssetCheckSpec]]:
    """Dagster's work for one step grows with the square of its checks: 5,000 in one take seven seconds."""
    return [specs[start : start + _CHECKS_PER_STEP] for start in range(0, len(specs), _CHECKS_PER_STEP)]


def _waves(specs: Iterable[dg.AssetCheckSpec]) -> list[list[dg.AssetCheckSpec]]:
    """Splits the specs so that within one list no two fold to the same Python identifier.

    Dagster names the outputs of an op by these identifiers, and `a-b` and `a_b` have the same.
    """
    waves: list[list[dg.AssetCheckSpec]] = []
    seen: dict[str, int] = defaultdict(int)
    for spec in specs:
        name = spec.get_python_identifier()
        if seen[name] == len(waves):
            waves.append([])
        waves[seen[name]].append(spec)
        seen[name] += 1
    return waves


def _check_now(
    name: str, specs: Sequence[dg.AssetCheckSpec], ids: Mapping[dg.AssetKey, str]
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(specs=specs, name=name, can_subset=True, description="Runs the chosen sources' checks now.")
    def check_now(
        context: dg.AssetCheckExecutionContext, monitoring: dg.ResourceParam[Monitoring]
    ) -> Iterator[dg.AssetCheckResult]:
        chosen = {ids[key.asset_key]: key.asset_key for key in context.selected_asset_check_keys}
        with stoppable(context):
            monitoring.check_now([bound.key for bound in monitoring.config.checks_of(chosen) if bound.check.enabled])
        for view in monitoring.overview().sources:
            if view.source.id in chosen:
                yield verdict(view).result(chosen[view.source.id])

    return check_now
