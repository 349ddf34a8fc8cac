"""Sources become external assets that Dagster accepts, whatever their names."""

from __future__ import annotations

import dagster as dg
import pytest

from assets.sources import group_names, source_assets, source_checks, source_keys
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.definitions import build_defs
from monitoring_pipeline.records import Source


def spec_of(source: Source, *others: Source) -> dg.AssetSpec:
    return source_assets([source, *others], [])[0]


def test_an_asset_says_what_the_source_is(monitoring: Monitoring):
    orders = source_assets(monitoring.config.sources, monitoring.config.checks)[0]
    assert orders.key == dg.AssetKey(["data-platform", "orders"])
    assert orders.description == "Orders database\n\nWhere orders live."
    assert orders.owners == ["team:platform team"]
    assert orders.kinds == {"file", "sqlite"}
    assert {name: value for name, value in orders.tags.items() if not name.startswith("dagster/")} == {
        "criticality": "critical", "env": "prod", "tier": "1", "needs_care_": "",
    }  # fmt: skip
    rows = [record.data for record in orders.metadata["checks"].records]
    assert rows == [
        {"check": "file", "kind": "file", "type": "connectivity", "every": "1s", "critical": True},
        {"check": "sql", "kind": "sql", "type": "connectivity", "every": "1s", "critical": True},
    ]


def test_dependencies_are_lineage(monitoring: Monitoring):
    graph = build_defs(monitoring).resolve_asset_graph()
    orders = dg.AssetKey(["data-platform", "orders"])
    children = [dg.AssetKey(["data_platform", name]) for name in ("stock-levels", "stock_levels")]
    assert graph.get(orders).child_keys == set(children)
    assert graph.get(children[1]).parent_keys == {orders, children[0]}
    assert not graph.get(orders).is_materializable


@pytest.mark.parametrize(
    ("owner", "owners"),
    [
        ("", []),
        ("data", ["team:data"]),
        ("team:data", ["team:data"]),
        ("team:", []),
        ("Ada & Co.", ["team:Ada & Co."]),
        ("ada@example.com", ["ada@example.com"]),
        ("ada@example", ["team:ada@example"]),
        ("ada@example.photography", ["team:ada@example.photography"]),
    ],
)
def test_every_owner_is_an_owner_to_dagster(owner: str, owners: list[str]):
    assert spec_of(Source("a", owner=owner)).owners == owners


@pytest.mark.parametrize(
    "tag", ["a b", "ä", "", ":", "=x", "dagster/kind/x", "x" * 200, "k:" + "v" * 200, "a:b:c", "/"]
)
def test_every_tag_is_a_tag_to_dagster(tag: str):
    spec = spec_of(Source("a", tags=(tag,)))
    assert len(spec.tags) == 2
    assert tag in spec.tags or spec.metadata["tags"] == tag


def test_a_tag_given_twice_with_different_values_is_kept_twice():
    tags = spec_of(Source("a", tags=("env:prod", "env:eu", "env:prod"))).tags
    assert dict(tags) == {"criticality": "medium", "env": "prod", "env_eu": ""}


def test_components_never_share_a_group():
    names = group_names(["data-platform", "data_platform", "data.platform", "-", "ok"])
    assert names == {
        "-": "component", "data-platform": "data_platform", "data.platform": "data_platform_2",
        "data_platform": "data_platform_3", "ok": "ok",
    }  # fmt: skip


def test_keys_that_fold_to_one_identifier_are_checked_by_different_steps():
    sources = [Source(name) for name in ("a-b", "a_b", "a.b", "c")]
    definitions = source_checks(sources)
    assert [len(list(definition.check_keys)) for definition in definitions] == [2, 1, 1]
    checked = {key.asset_key for definition in definitions for key in definition.check_keys}
    assert checked == set(source_keys(sources).values())


def test_many_checks_are_spread_over_steps():
    sizes = [len(list(step.check_keys)) for step in source_checks([Source(f"s{number}") for number in range(600)])]
    assert sizes == [250, 250, 100]


def test_unknown_dependencies_are_left_out():
    assert list(spec_of(Source("a", depends_on=("gone", "b", "b")), Source("b")).deps) == [
        dg.AssetDep(dg.AssetKey(["default", "b"]))
    ]


def test_executing_a_check_runs_the_sources_checks_now(monitoring: Monitoring, instance: dg.DagsterInstance):
    definitions = build_defs(monitoring)
    chosen = [
        dg.AssetCheckKey(dg.AssetKey(["data_platform", name]), "health") for name in ("stock-levels", "stock_levels")
    ]
    job = definitions.resolve_implicit_global_asset_job_def()
    job = job.get_subset(asset_selection=set(), asset_check_selection=set(chosen))
    result = job.execute_in_process(instance=instance)
    found = {evaluation.asset_check_key: evaluation for evaluation in result.get_asset_check_evaluations()}
    assert {key: evaluation.passed for key, evaluation in found.items()} == {chosen[0]: False, chosen[1]: True}
    assert found[chosen[0]].severity is dg.AssetCheckSeverity.ERROR
    assert found[chosen[0]].metadata["status"].value == "critical"
