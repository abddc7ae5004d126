"""A tiny but complete run: a copy of the project, a small network, two dozen rendered scenes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from calling import call

ROOT = Path(__file__).resolve().parents[2]
TINY = "config/tiny.yaml"
STAGES = ("train", "prune", "retrain", "onnx")


class Project:
    """A working copy of the project in which Snakemake runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *arguments: str) -> list[str]:
        return ["snakemake", *arguments, "--configfile", TINY]

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake with the tiny config; its screen output, whole."""
        return call(self.folder, *self.command(*arguments), check=check, seconds=900)

    def planned(self, *arguments: str) -> set[str]:
        """Names of the rules that a run would execute now, named targets left out."""
        said = self.run("--dry-run", *arguments)
        table = re.search(r"^Job stats:\n.*?^total", said, re.MULTILINE | re.DOTALL)
        return set(re.findall(r"^(\w+_\w+) +\d+$", table[0], re.MULTILINE)) if table else set()

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1))


def copy_project(folder: Path) -> Project:
    """Copy what git would hold, and add a config whose whole run takes a minute or two."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("tests/", "models/", "docs/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    write_tiny_config(folder)
    return Project(folder)


def write_tiny_config(folder: Path) -> None:
    config = yaml.safe_load((folder / "config" / "config.yaml").read_text())
    for name, count in (("rendered_training", 24), ("rendered_validation", 8)):
        config["sources"][name]["scenes"]["count"] = count
    for clip in config["clips"].values():
        clip["seconds"] = 1
    for name, path in config["specs"].items():
        tiny = f"config/specs/tiny/{Path(path).name}"
        (folder / tiny).parent.mkdir(exist_ok=True)
        (folder / tiny).write_text(tiny_spec((folder / path).read_text()))
        config["specs"][name] = tiny
    (folder / TINY).write_text(yaml.safe_dump({**config, "run": "tiny"}))


def tiny_spec(text: str) -> str:
    """The demo's spec with a small input, a narrow network and two epochs."""
    text = re.sub(r"(output_image_(?:width|height)): \d+", r"\1: 160", text)
    text = re.sub(r'("image_(?:width|height)"): \d+', r"\1: 160", text)
    text = re.sub(r"num_epochs: \d+", "num_epochs: 2", text)
    text = re.sub(r"(validation_period_during_training|first_validation_epoch): \d+", r"\1: 1", text)
    text = re.sub(r"batch_size_per_gpu: \d+", "batch_size_per_gpu: 4", text)
    return re.sub(r"(\n *)num_layers: 10", r"\1num_layers: 10\1width_multiplier: 0.5", text)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose tiny run is complete; tests must leave it as they found it."""
    project = copy_project(tmp_path_factory.mktemp("finished"))
    project.run()
    return project


@pytest.fixture
def unfinished(tmp_path: Path) -> Project:
    """A project in which nothing was run yet."""
    return copy_project(tmp_path)
