"""Help, exit codes, errors, completion, and what may be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitoring_pipeline import __version__
from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.reference import SHAPES, reference
from monitoring_pipeline.cli.root import busta
from tests.cli.conftest import Busta

ROOT = Path(__file__).parents[2]
HEAVY = ("pydantic", "sqlalchemy", "rich", "duckdb", "aiohttp", "fastapi", "asyncio", "psutil", "yaml")
NEVER = ("great_expectations", "sklearn", "statsmodels", "pandas", "dagster")


def python(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120
    )


MODULES = """
import json, sys
from monitoring_pipeline.cli.root import busta
for arguments in json.loads(sys.argv[1]):
    try:
        busta(arguments, prog_name="busta")
    except SystemExit as end:
        print("\\nMODULES", json.dumps([end.code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def loaded(*commands: str, before: Sequence[str] = (), **variables: str) -> tuple[list[tuple[int, set[str]]], str]:
    """The exit code of each command and the packages that were imported when it ended, and what was printed before the
    first ended. One process runs them all."""
    done = python(MODULES, json.dumps([[*before, *command.split()] for command in commands]), **variables)
    printed, *ends = done.stdout.split("\nMODULES ")
    assert len(ends) == len(commands), done.stderr
    found = [json.loads(end.partition("\n")[0]) for end in ends]
    return [(code, set(names)) for code, names in found], printed


def test_help_imports_nothing_heavy() -> None:
    commands = (
        "--help", "--version", "sources --help", "sorces", "alerts list --help", "silences add --help",
        "maintenance start --help", "oncall override --help", "channels test --help", "notifications log --help",
    )  # fmt: skip
    for command, (_, modules) in zip(commands, loaded(*commands)[0], strict=True):
        assert "click" in modules
        assert not modules.intersection((*HEAVY, *NEVER)), command


COMMANDS = {
    "sources health": 1,
    "sources show shop-api": 0,
    "sources history shop-api": 0,
    "sources list": 0,
    "sources explain shop-api": 0,
    "alerts list": 0,
    "alerts history --json": 0,
    "silences list": 0,
    "maintenance start shop-api --reason why": 0,
    "oncall who": 0,
    "channels status": 0,
    "notifications log": 0,
    "config validate": 0,
    "config show": 0,
    "config schema": 0,
    "doctor": None,
    "sources check --all": 2,
}


def test_no_command_imports_analysis_or_dagster(config: Path) -> None:
    ends, _ = loaded(*COMMANDS, before=("--config", str(config)))
    for (command, code), (found, modules) in zip(COMMANDS.items(), ends, strict=True):
        assert code in (None, found), command
        assert not modules.intersection(NEVER), command


def test_without_arguments_it_helps() -> None:
    result = CliRunner().invoke(busta, [])
    assert result.exit_code == exits.OK
    assert "Exit codes:" in result.stdout


def test_version() -> None:
    assert CliRunner().invoke(busta, ["--version"]).stdout == f"busta {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sorces"], "did you mean 'sources'?"),
        (["sources", "helth"], "did you mean 'health'?"),
        (["--nope"], "No such option"),
        (["sources", "history"], "Missing argument 'ID'"),
        (["sources", "check"], "--all"),
        (["sources", "history", "shop-api", "--since", "yesterday"], "30s, 5m"),
        (["sources", "health", "--watch", "--json"], "exclude each other"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_64(run: Busta, arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (exits.USAGE, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_a_configuration_it_tells_init(tmp_path: Path, run: Busta) -> None:
    for command in (["sources", "health"], ["up"], ["config", "validate"]):
        result = run(*command, path=tmp_path / "none.yaml")
        assert result.exit_code == exits.BAD_CONFIG
        assert "busta init" in result.stderr


def test_the_configuration_may_come_from_the_environment_or_the_folder(config: Path) -> None:
    environment = {**os.environ, "BUSTA_CONFIG": str(config)}
    code = "from monitoring_pipeline.cli import main; main()"
    by_variable = python(code, "config", "validate", BUSTA_CONFIG=str(config))
    assert (by_variable.returncode, by_variable.stdout) == (0, f"{config} is valid: 5 sources, 6 checks\n")
    environment.pop("BUSTA_CONFIG")
    command = [sys.executable, "-c", code, "config", "validate"]
    here = subprocess.run(command, cwd=config.parent, env=environment, capture_output=True, text=True, timeout=60)
    assert here.stdout.startswith("monitoring.yaml is valid")


def test_a_store_that_cannot_be_opened_is_69(run: Busta, config: Path) -> None:
    text = config.read_text().replace("directory: .busta", "directory: .busta, operational: 'sqlite:////proc/no/x.db'")
    config.write_text(text)
    result = run("sources", "health")
    assert result.exit_code == exits.UNAVAILABLE
    assert result.stderr.count("\n") == 1


def test_a_closed_pipe_is_no_error(config: Path) -> None:
    code = "from monitoring_pipeline.cli import main; main()"
    command = f"{sys.executable} -c '{code}' --config {config} config schema | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run: Busta, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == exits.OK
    assert "_BUSTA_COMPLETE" in result.stdout


def test_source_ids_are_completed_without_heavy_imports(config: Path, run: Busta) -> None:
    (config.parent / "sources").mkdir()
    (config.parent / "sources" / "more.yaml").write_text(
        "sources:\n  - id: shop-archive\n    checks:\n      - id: shadow\n        kind: file\n        path: /\n"
    )
    line = f"busta --config {config} sources show sh"
    [(_, modules)], printed = loaded("", COMP_WORDS=line, COMP_CWORD="5", _BUSTA_COMPLETE="bash_complete")
    assert printed.split() == ["plain,shop-api", "plain,shop-archive"]
    assert not modules.intersection((*HEAVY, *NEVER))


def test_the_reference_is_fresh() -> None:
    written = (ROOT / "docs" / "cli.md").read_text()
    assert written == reference(), "python -m monitoring_pipeline.cli.reference > docs/cli.md"


def test_every_exit_code_is_explained() -> None:
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert codes == set(exits.EXPLAINED)


def test_every_command_that_takes_json_has_its_shape_documented() -> None:
    text = reference()
    sections = text.split("\n### ")[1:]
    with_json = {s.partition("\n")[0].removeprefix("busta ") for s in sections if "\n  --json " in s}
    assert with_json - {"config show"} == set(SHAPES)
