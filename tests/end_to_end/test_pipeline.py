"""The whole graph on a tiny set: every promised file, nothing twice, the right stages after a change."""

import json
import re
from contextlib import contextmanager

import h5py
import pandas as pd
import pytest
from conftest import STAGES, TINY

pytestmark = pytest.mark.slow

AFTER_TRAIN = {
    "evaluate_detector",
    "prune_detector",
    "retrain_detector",
    "export_onnx",
    "infer_pictures",
    "build_engine",
    "write_deepstream",
    "build_report",
}
EVERYTHING_TRAINED = AFTER_TRAIN | {"train_detector"}
AFTER_PRUNE = AFTER_TRAIN - {"prune_detector"}
AFTER_RETRAIN = AFTER_PRUNE - {"retrain_detector"}
AFTER_EXPORT = {"evaluate_detector", "build_engine", "write_deepstream", "build_report"}
ALWAYS = {"build_report"}

PROMISED = [
    *(f"data/kitti/{name}/manifest.csv" for name in ("rendered_training", "rendered_validation")),
    *(f"data/resized/{name}/manifest.csv" for name in ("rendered_training", "rendered_validation")),
    "results/tiny/split.csv",
    "results/tiny/tfrecords/rendered_training-fold-001-of-002-shard-00000-of-00002",
    "results/tiny/tfrecords/rendered_validation-fold-000-of-002-shard-00001-of-00002",
    *(
        f"results/tiny/{stage}/{name}"
        for stage in ("train", "retrain")
        for name in (
            "model.keras",
            "model.hdf5",
            "history.csv",
            "status.jsonl",
            "spec.cfg",
            "provenance.json",
        )
    ),
    *(
        f"results/tiny/prune/{name}"
        for name in ("model.keras", "model.hdf5", "pruning.csv", "provenance.json")
    ),
    *(f"results/tiny/{stage}/evaluation/metrics.json" for stage in STAGES),
    *(f"results/tiny/export/{name}" for name in ("model.onnx", "labels.txt", "contract.json", "parity.json")),
    "results/tiny/retrain/inference/passing_cars/annotated.mp4",
    "results/tiny/engine/rtx/build.json",
    *(
        f"results/tiny/deepstream/{name}"
        for name in ("config_deepstream.txt", "config_infer_primary.txt", "labels.txt", "model.onnx")
    ),
    "results/tiny/report.html",
]


@contextmanager
def edited(project, name, old, new):
    """Change one file for a while; Snakemake decides by content, so putting it back undoes it."""
    before = (project.folder / name).read_text()
    project.edit(name, old, new)
    try:
        yield
    finally:
        (project.folder / name).write_text(before)


def test_every_promised_file_is_there(finished):
    missing = [name for name in PROMISED if not (finished.folder / name).is_file()]
    assert not missing


def test_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run()


def test_shards_hold_every_picture_of_the_split_once(finished):
    split = pd.read_csv(finished.folder / "results/tiny/split.csv")
    counted = 0
    for name in ("rendered_training", "rendered_validation"):
        records = pd.read_csv(finished.folder / f"results/tiny/tfrecords/{name}.manifest.csv")
        counted += records.pictures.sum()
    assert counted == len(split[split.fold != "excluded"]) == 32


def weights(project, stage):
    """Numbers stored in a stage's weight file, counted without the library."""
    sizes = []
    with h5py.File(project.folder / f"results/tiny/{stage}/model.hdf5") as stored:
        stored["model_weights"].visititems(lambda _, item: sizes.append(getattr(item, "size", 0)))
    return sum(sizes)


def test_pruning_met_its_target(finished):
    assert 0.12 < weights(finished, "prune") / weights(finished, "train") <= 0.15


def test_metrics_have_the_promised_rows(finished):
    for stage in STAGES:
        metrics = json.loads((finished.folder / f"results/tiny/{stage}/evaluation/metrics.json").read_text())
        assert metrics["stage"] == stage
        assert metrics["images"] == 8
        kinds = {(row["clustering"], row["ap"]) for row in metrics["results"]}
        assert kinds >= {(c, a) for c in ("tlt", "nms") for a in ("correct", "tao-integrate", "tao-sample")}
        headline = next(
            r for r in metrics["results"] if (r["clustering"], r["ap"], r["iou"]) == ("tlt", "correct", 0.5)
        )
        assert metrics["mAP"] == headline["mAP"]


def test_report_needs_nothing_from_outside(finished):
    page = (finished.folder / "results/tiny/report.html").read_text()
    targets = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert targets
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert not re.search(r"""url\(["']?http|@import""", page)
    assert page.count("<svg") >= 5


@pytest.mark.parametrize(
    ("spec", "old", "new", "runs"),
    [
        ("experiment_config.cfg", r"num_epochs: 2", "num_epochs: 3", EVERYTHING_TRAINED),
        (
            "experiment_config.cfg",
            r"coverage_foreground_weight: \S+",
            "coverage_foreground_weight: 0.3",
            EVERYTHING_TRAINED,
        ),
        ("experiment_config.cfg", r"deadzone_radius: \S+", "deadzone_radius: 0.5", EVERYTHING_TRAINED),
        ("experiment_config.cfg", r"hflip_probability: \S+", "hflip_probability: 0.4", EVERYTHING_TRAINED),
        (
            "experiment_config.cfg",
            r"dbscan_eps: \S+",
            "dbscan_eps: 0.22",
            {"evaluate_detector", "build_report"},
        ),
        ("prunned_config.cfg", r"num_epochs: 2", "num_epochs: 3", AFTER_PRUNE),
        (
            "prunned_config.cfg",
            r"dbscan_eps: \S+",
            "dbscan_eps: 0.22",
            {"evaluate_detector", "export_onnx", "write_deepstream", "build_engine", "build_report"},
        ),
        (
            "tlt_dataconvert_config.cfg",
            r"val_split: \S+",
            "val_split: 33",
            EVERYTHING_TRAINED | {"split_groups", "pack_tfrecords"},
        ),
        (
            "tlt_dataconvert_config.cfg",
            r"num_shards: 2",
            "num_shards: 3",
            EVERYTHING_TRAINED | {"pack_tfrecords"},
        ),
        (
            "cluster_params.json",
            r'"dbscan_eps": \{"plate": \S+,',
            '"dbscan_eps": {"plate": 0.22,',
            {"infer_pictures"},
        ),
    ],
)
def test_a_changed_spec_field_runs_from_where_it_matters(finished, spec, old, new, runs):
    name = f"config/specs/tiny/{spec}"
    text = (finished.folder / name).read_text()
    found = re.search(old, text)
    with edited(finished, name, found[0], new):
        assert finished.planned() == runs


@pytest.mark.parametrize(
    ("module", "first", "untouched"),
    [
        ("sources/convert.py", "convert_kitti", {"render_scenes"}),
        ("data/letterbox.py", "letterbox_pictures", {"convert_kitti", "render_scenes"}),
        ("data/split.py", "split_groups", {"letterbox_pictures"}),
        ("network/training.py", "train_detector", {"pack_tfrecords", "split_groups"}),
        ("network/pruning.py", "prune_detector", {"train_detector"}),
        ("deploy/onnx_export.py", "export_onnx", {"retrain_detector", "train_detector"}),
        ("deploy/rtx.py", "build_engine", {"export_onnx", "retrain_detector"}),
        ("deploy/deepstream.py", "write_deepstream", {"export_onnx", "build_engine"}),
        ("report/page.py", "build_report", {"evaluate_detector", "write_deepstream"}),
    ],
)
def test_an_edited_library_file_runs_its_stage_and_not_the_ones_before(finished, module, first, untouched):
    name = f"scripts/detectnet/{module}"
    with edited(finished, name, "from __future__ import annotations", "from __future__ import annotations\n"):
        planned = finished.planned()
    assert first in planned
    assert not planned & untouched


def test_a_mistyped_config_key_names_the_nearest(finished):
    with (
        edited(finished, TINY, "prune:", "prnue:")
        if "prune:" in (finished.folder / TINY).read_text()
        else edited(finished, TINY, "clips:", "clipps:")
    ):
        said = finished.run("--dry-run", check=False)
    assert "unknown key. Did you mean" in said
