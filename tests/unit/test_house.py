"""The house rules that a machine can check: format, lint, size, direction of imports, one set of versions."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "scripts" / "detectnet"
BIN = Path(sys.executable).parent
# Every package may import itself and those to its left; contract, errors, files and logs stand before all.
FLOW = ["contract", "spec", "data", "sources", "detection", "network", "deploy", "report", "commands"]
FORBIDDEN = {
    "detection": {"network", "sources"},
    "network": {"sources"},
    "data": {"sources"},
}
TENSORFLOW = {"network", "deploy/onnx_export.py"}
SNAKEMAKE = "versioning"
"""The package that reads Snakemake's records; nothing else knows of it."""


def run(*command: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)


def modules() -> list[Path]:
    return sorted(path for path in LIBRARY.rglob("*.py"))


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("snakefmt", "--check", "Snakefile", "rules"),
        ("snakemake", "--lint"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_tool_finds_nothing(command):
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_conda_environment_names_the_versions_of_the_lock():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {package["name"]: package.get("version") for package in lock["package"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[A-Za-z0-9-]+(\[[a-z0-9,]+\])?", line)[0] for line in project["dependencies"]}
    environment = yaml.safe_load((ROOT / "envs" / "pipeline.yaml").read_text())
    pinned = dict(line.split("==") for line in environment["dependencies"][-1]["pip"])
    assert pinned == {name: locked[name.split("[")[0]] for name in wanted}
    assert f"python={project['requires-python'].strip('=.*')}" in environment["dependencies"]


def test_config_readme_is_the_schema_in_words(tmp_path):
    page = tmp_path / "README.md"
    done = run(sys.executable, "scripts/describe_config.py", "--out", str(page))
    assert done.returncode == 0, done.stderr
    assert page.read_text() == (ROOT / "config" / "README.md").read_text()


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_imports_flow_one_way(path):
    package = path.relative_to(LIBRARY).parts[0].removesuffix(".py")
    others = {name.split(".")[1] for name in imported(path) if name.startswith("detectnet.")}
    if package in FLOW:
        later = set(FLOW[FLOW.index(package) + 1 :]) | FORBIDDEN.get(package, set())
        assert not others & later
    relative = str(path.relative_to(LIBRARY))
    if not any(relative.startswith(place) for place in TENSORFLOW):
        assert not {name.split(".")[0] for name in imported(path)} & {"tensorflow", "keras", "tf2onnx"}
    if package != SNAKEMAKE:
        assert not any(name.split(".")[0] == "snakemake" for name in imported(path))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.end_lineno - node.lineno + 1
            docstring = len((ast.get_docstring(node, clean=False) or "").splitlines())
            assert body - docstring <= 50, f"{node.name} has {body - docstring} lines"


def test_profiles_share_what_every_run_needs():
    """A workflow profile replaces the default one, so each must hold these keys itself."""
    read = [yaml.safe_load(path.read_text()) for path in sorted(ROOT.glob("profiles/*/config.yaml"))]
    assert len(read) >= 2
    for key in ("rerun-incomplete", "max-checksum-file-size"):
        assert len({one[key] for one in read}) == 1
