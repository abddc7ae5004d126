"""The commands that README shows are those that work."""

import re
import shlex
import subprocess

import pytest
import yaml
from calling import environment
from conftest import ROOT

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines()
]
INSTALL = "pip install uv && "


def shown(part: str) -> str:
    """The one command of README that holds ``part``, without comment lines and the installation of uv."""
    found = [line for line in COMMANDS if part in line and not line.startswith("#")]
    assert len(found) == 1, found
    return found[0].removeprefix(INSTALL)


def without_uv(command: str) -> list[str]:
    """The words behind ``uv run`` and its options: this environment is the one that uv would make."""
    words = shlex.split(command)
    assert words[:3] == ["uv", "run", "--frozen"]
    rest = iter(words[3:])
    for word in rest:
        if word in ("--extra", "--group"):
            next(rest)
        else:
            return [word, *rest]
    raise AssertionError(f"no command in {command!r}")


def test_ci_runs_the_test_command():
    assert f'{shown("pytest")} "$@"' in (ROOT / ".ci" / "run").read_text().splitlines()


def test_lock_fits_the_project():
    lock = subprocess.run(["uv", "lock", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert lock.returncode == 0, lock.stderr


@pytest.mark.slow
def test_main_command_plans_the_whole_demo(unfinished):
    command = [line for line in COMMANDS if line.startswith(INSTALL) and "pytest" not in line]
    words = without_uv(command[0].removeprefix(INSTALL))
    assert words == ["snakemake"]
    done = subprocess.run(
        [*words, "--dry-run"],
        cwd=unfinished.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "build_report" in done.stdout + done.stderr


@pytest.mark.slow
def test_real_run_is_planned_from_every_source(unfinished):
    words = without_uv(shown("config/plates.yaml"))
    done = subprocess.run(
        [*words, "--dry-run"],
        cwd=unfinished.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout + done.stderr
    for source, entry in yaml.safe_load((ROOT / "config" / "plates.yaml").read_text())["sources"].items():
        made = "Rendering the scenes of" if "scenes" in entry else "Fetching the raw pictures of"
        assert f"{made} {source}" in said


@pytest.mark.slow
def test_detect_command_finds_and_writes(finished):
    command = shown("scripts/detect.py").replace("results/demo", "results/tiny")
    done = subprocess.run(
        without_uv(command),
        cwd=finished.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    labels = list((finished.folder / "found" / "labels").glob("*.txt"))
    assert len(labels) == 8
    assert len(list((finished.folder / "found" / "images_annotated").iterdir())) == 8
