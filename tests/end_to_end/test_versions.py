"""A run in another clone: pulled with DVC, its lineage restored, and only what must be is made again."""

import os
import re
import shutil
from pathlib import Path

import pytest
from calling import call, git
from conftest import ROOT, TINY, Project

pytestmark = pytest.mark.slow

DEPLOYED = ["export", "deepstream", "engine", "retrain/inference", "report.html"]
FROM_KITTI = {
    "convert_kitti",
    "letterbox_pictures",
    "split_groups",
    "pack_tfrecords",
    "train_detector",
    "prune_detector",
    "retrain_detector",
    "build_report",
}


def restore(project, check=True):
    return call(project.folder, "python", "scripts/restore_lineage.py", "--run", "tiny", check=check)


def describe_tiny(folder):
    """DVC's files of the real run, for the tiny one."""
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "dvc.yaml"):
        text = (ROOT / name).read_text()
        # The tiny run has neither corrections nor a frozen split, and is pruned without a budget.
        absent = "config/(corrections|splits)/plates|results/plates/prune/sensitivity"
        text = re.sub(rf" *- ({absent})\.csv.*\n", "", text)
        for place in ("results", "specs"):
            text = text.replace(f"{place}/plates", f"{place}/tiny")
        text = text.replace("config/plates.yaml", TINY).replace("--run plates", "--run tiny")
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def publish(project, message):
    """What docs/versions.md tells an author to do after a run."""
    call(project.folder, "python", "scripts/save_lineage.py", "--run", "tiny")
    call(project.folder, "dvc", "commit", "-f")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", message)
    call(project.folder, "dvc", "push")


@pytest.fixture(scope="module")
def author(finished, tmp_path_factory) -> Project:
    """The clone in which the run was made, published as v1."""
    folder = tmp_path_factory.mktemp("author") / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    describe_tiny(folder)
    git(folder, "init", "-q", "-b", "main")
    remote_of(folder).mkdir()
    connect(folder, remote_of(folder))
    project = Project(folder)
    publish(project, "first version")
    git(folder, "tag", "v1")
    return project


def remote_of(folder):
    return folder.parent / "remote"


def connect(folder, remote):
    call(folder, "dvc", "remote", "add", "--local", "release", str(remote))


@pytest.fixture
def clone(author, tmp_path) -> Project:
    """A fresh clone without any data."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--branch", "main", str(author.folder), str(folder))
    connect(folder, remote_of(author.folder))
    return Project(folder)


def pull(project, *names):
    call(project.folder, "dvc", "pull", "-q", *(f"results/tiny/{name}" for name in names))


def test_dvc_keeps_every_file_that_the_run_promises(author):
    """dvc.yaml names by hand what Snakemake makes: nothing of the run may be missing in a fresh clone."""
    made = {name for name in author.run("--summary").split() if name.startswith("results/tiny/")}
    kept = call(author.folder, "dvc", "list", "-R", ".", "results/tiny").split()
    in_git = git(author.folder, "ls-files", "results/tiny").split()
    assert made
    assert made <= {f"results/tiny/{name}" for name in kept} | set(in_git)


def test_a_fresh_clone_makes_nothing_again(clone):
    pull(clone)
    restore(clone)
    assert not (clone.folder / "data").exists() or not list((clone.folder / "data").glob("raw/*"))
    assert "Nothing to be done" in clone.run("--dry-run")
    assert "up to date" in call(clone.folder, "dvc", "status")
    assert git(clone.folder, "status", "--porcelain") == ""


def test_part_of_the_artefacts_is_enough(clone):
    pull(clone, *DEPLOYED)
    restore(clone)
    assert "Nothing to be done" in clone.run("--dry-run")


def test_what_is_asked_for_and_was_not_pulled_is_made(clone):
    pull(clone, "export")
    restore(clone)
    assert clone.planned("deepstream") == {"write_deepstream"}


def test_without_its_lineage_a_pulled_run_would_be_made_again(clone):
    """The lineage is what makes the difference; without it Snakemake trusts times alone."""
    pull(clone)
    os.utime(clone.folder / "scripts" / "build_report.py")
    assert clone.planned()


def changed_label(project, source="rendered_training"):
    """A label file with a plate, and its text with the plate moved."""
    labels = sorted((project.folder / "data/raw" / source / "labels").glob("*.txt"))
    path = next(one for one in labels if one.read_text().startswith("plate"))
    words = path.read_text().split()
    words[4] = f"{float(words[4]) + 1:.2f}"
    return path, " ".join(words[:15]) + "\n"


@pytest.mark.parametrize("date", [None, 1_000_000_000], ids=["now", "dated back"])
def test_one_changed_raw_label_runs_what_depends_on_it(author, date):
    path, text = changed_label(author)
    before, state = path.read_text(), path.stat()
    path.write_text(text)
    if date:
        os.utime(path, (date, date))
    try:
        said = author.run("--dry-run")
        assert author.planned() >= FROM_KITTI
        assert re.search(r"^convert_kitti +1$", said, re.MULTILINE)
        assert re.search(r"^letterbox_pictures +1$", said, re.MULTILINE)
        assert not re.search(r"^(render_scenes|fetch_source) ", said, re.MULTILINE)
    finally:
        path.write_text(before)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert "Nothing to be done" in author.run("--dry-run")


def test_a_file_changed_behind_its_back_is_caught_when_restoring(clone):
    pull(clone)
    split = clone.folder / "results/tiny/split.csv"
    split.write_text(split.read_text().replace("training", "validation", 1))
    os.utime(split, (1_000_000_000, 1_000_000_000))
    said = restore(clone, check=False)
    assert "results/tiny/split.csv" in said
    assert "does not belong to the files that lie here" in said
    assert {"pack_tfrecords", "train_detector"} <= clone.planned()


def test_two_versions_side_by_side(author, clone):
    title = "title: Licence-plate detector on rendered scenes"
    author.edit(TINY, title, "title: Second version")
    author.run()
    publish(author, "second version")
    git(author.folder, "tag", "v2")
    git(clone.folder, "fetch", "-q", "--tags")
    for version, words in (("v2", "Second version"), ("v1", "on rendered scenes"), ("v2", "Second version")):
        git(clone.folder, "checkout", "-q", version)
        pull(clone)
        restore(clone)
        assert words in (clone.folder / "results/tiny/report.html").read_text()
        assert "Nothing to be done" in clone.run("--dry-run")
    assert "Path" in call(clone.folder, "dvc", "metrics", "show")


def test_metrics_and_curves_are_shown(author):
    shown = call(author.folder, "dvc", "metrics", "show")
    assert "retrain.mAP" in shown
    assert "nano.predicted_ms" in shown
    folder = author.folder.parent / "plots"
    call(author.folder, "dvc", "plots", "show", "-q", "-o", str(folder))
    page = (folder / "index.html").read_text()
    # The tiny network finds nothing, so that its curve of precision has no point and is not drawn.
    assert "Loss" in page
    assert "mAP_while_training" in page
    assert "retrain.mAP" in call(author.folder, "dvc", "exp", "show", "--csv")


def test_weights_of_another_repository_start_a_training(author, unfinished, tmp_path):
    folder = unfinished.folder
    call(folder, "dvc", "get", str(author.folder), "results/tiny/train/model.keras", "-o", "start.keras")
    published = (author.folder / "results/tiny/train/model.keras").read_bytes()
    assert (folder / "start.keras").read_bytes() == published
    (spec,) = (folder / "config/specs/tiny").glob("experiment*")
    text = spec.read_text()
    spec.write_text(
        re.sub(r"(\n *)num_layers: 10", r'\1num_layers: 10\1pretrained_model_file: "start.keras"', text)
    )
    unfinished.run("train")
    assert "start.keras" in (folder / "results/tiny/train/provenance.json").read_text()


def test_an_import_remembers_where_it_is_from(author, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    git(folder, "init", "-q")
    call(folder, "dvc", "init", "-q")
    call(folder, "dvc", "import", "--rev", "v1", str(author.folder), "results/tiny/export/model.onnx")
    assert (folder / "model.onnx").read_bytes() == (
        author.folder / "results/tiny/export/model.onnx"
    ).read_bytes()
    pointer = (folder / "model.onnx.dvc").read_text()
    assert str(author.folder) in pointer
    assert "rev: v1" in pointer
    assert Path(folder / "model.onnx").stat().st_mode & 0o200
