"""The whole graph on a tiny set: every promised file, nothing twice, the right stages after a change."""

import json
import re
from contextlib import contextmanager

import h5py
import pandas as pd
import pytest
import yaml
from conftest import STAGES, TINY
from PIL import Image

pytestmark = pytest.mark.slow

AFTER_TRAIN = {
    "evaluate_detector",
    "prune_detector",
    "retrain_detector",
    "export_onnx",
    "predict_latency",
    "infer_pictures",
    "build_engine",
    "write_deepstream",
    "build_report",
    "summarise_metrics",
}
SPLIT = {"split_groups", "pack_tfrecords"}
EVERYTHING_TRAINED = AFTER_TRAIN | {"train_detector"}
AFTER_PRUNE = AFTER_TRAIN - {"prune_detector"}
AFTER_RETRAIN = AFTER_PRUNE - {"retrain_detector"}
AFTER_EXPORT = {
    "evaluate_detector",
    "predict_latency",
    "build_engine",
    "write_deepstream",
    "build_report",
    "summarise_metrics",
}
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
        for name in (
            "config_deepstream.txt",
            "config_infer_primary.txt",
            "labels.txt",
            "model.onnx",
            "README.md",
        )
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
        assert metrics["headline"]["threshold"] == headline["threshold"]
        deployed = stage in ("retrain", "onnx")
        assert ("deepstream" in {row["clustering"] for row in metrics["results"]}) == deployed
        assert metrics["deployed"]["clustering"] == ("deepstream" if deployed else "tlt")


def test_what_is_chosen_for_deepstream_is_sealed_and_measured_again(finished):
    chosen, measured = (
        json.loads((finished.folder / f"results/tiny/{stage}/evaluation/metrics.json").read_text())[
            "deepstream"
        ]
        for stage in ("retrain", "onnx")
    )
    contract = json.loads((finished.folder / "results/tiny/export/contract.json").read_text())
    assert chosen["goal"] == "f1" and measured["goal"] is None
    assert contract["deepstream"] == chosen["classes"] == measured["classes"]
    assert [one["frame"] for one in measured["measured"]] == ["source", "source", "1920x1080"]


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
            {"evaluate_detector", "build_report", "summarise_metrics"},
        ),
        ("prunned_config.cfg", r"num_epochs: 2", "num_epochs: 3", AFTER_PRUNE),
        (
            "prunned_config.cfg",
            r"dbscan_eps: \S+",
            "dbscan_eps: 0.22",
            AFTER_EXPORT | {"export_onnx"},
        ),
        (
            "tlt_dataconvert_config.cfg",
            r"val_split: \S+",
            "val_split: 33",
            EVERYTHING_TRAINED | SPLIT,
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


@contextmanager
def configured(project, key, value):
    """Give one key of the config another value for a while; None takes it out."""
    *outer, last = key.split(".")
    path = project.folder / TINY
    before = path.read_text()
    config = inner = yaml.safe_load(before)
    for part in outer:
        inner = inner.setdefault(part, {})
    inner.pop(last, None)
    if value is not None:
        inner[last] = value
    path.write_text(yaml.safe_dump(config))
    try:
        yield
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    ("key", "value", "runs"),
    [
        ("sources.rendered_training.licence", "another licence", ALWAYS),
        ("sources.rendered_training.url", "https://example.org", ALWAYS),
        ("sources.rendered_training.fold", None, EVERYTHING_TRAINED | SPLIT),
        (
            "sources.rendered_training.classes",
            {"plate": "plate", "sign": "plate"},
            EVERYTHING_TRAINED | SPLIT | {"convert_kitti", "letterbox_pictures"},
        ),
        (
            "sources.rendered_training.scenes.seed",
            12,
            EVERYTHING_TRAINED | SPLIT | {"render_scenes", "convert_kitti", "letterbox_pictures"},
        ),
        ("split.hash_distance", 4, EVERYTHING_TRAINED | SPLIT),
        ("prune.ratio", 0.3, AFTER_TRAIN),
        ("infer.again", "data/clips/passing_cars.mp4", {"infer_pictures"}),
        ("export.parity_pictures", 4, AFTER_EXPORT | {"export_onnx"}),
        ("export.preprocess", "embedded", AFTER_EXPORT | {"export_onnx"}),
        (
            "deepstream.width",
            1280,
            {"evaluate_detector", "write_deepstream", "build_report", "summarise_metrics"},
        ),
        ("deepstream.goal", {"recall": 0.9}, AFTER_EXPORT | {"export_onnx"}),
        ("report.title", "Plates", ALWAYS),
        ("mirror", "/nowhere", set()),
    ],
)
def test_a_changed_config_key_runs_from_where_it_matters(finished, key, value, runs):
    with configured(finished, key, value):
        assert finished.planned() == runs


def test_moved_specs_run_nothing_again(finished):
    specs = yaml.safe_load((finished.folder / TINY).read_text())["specs"]
    moved = {name: f"config/my specs/{name}-{path.rsplit('/', 1)[-1]}" for name, path in specs.items()}
    (finished.folder / "config/my specs").mkdir()
    for name, path in specs.items():
        (finished.folder / moved[name]).write_text((finished.folder / path).read_text())
    with configured(finished, "specs", moved):
        assert finished.planned() == set()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("data/raw/rendered_training/source.json", "render_scenes"),
        ("data/kitti/rendered_training/manifest.csv", "convert_kitti"),
        ("data/resized/rendered_validation/manifest.csv", "letterbox_pictures"),
        ("results/tiny/split.csv", "split_groups"),
        (
            "results/tiny/tfrecords/rendered_training-fold-001-of-002-shard-00001-of-00002",
            "pack_tfrecords",
        ),
    ],
)
def test_the_target_dataset_misses_each_of_its_files(finished, name, rule):
    path = finished.folder / name
    away = path.rename(f"{path}.away")
    try:
        assert rule in finished.planned("dataset")
    finally:
        away.rename(path)


@pytest.fixture
def fetched(unfinished):
    """A project with a fetched and converted source: a folder of its own."""
    (unfinished.folder / "mine").mkdir()
    Image.new("RGB", (64, 48)).save(unfinished.folder / "mine/a.jpg")
    config = yaml.safe_load((unfinished.folder / TINY).read_text())
    config["sources"]["own"] = {"adapter": "folder", "licence": "mine", "folder": "mine"}
    (unfinished.folder / TINY).write_text(yaml.safe_dump(config))
    unfinished.run("data/kitti/own/manifest.csv")
    return unfinished


def test_what_only_the_report_shows_fetches_and_converts_nothing_again(fetched):
    for key, value, runs in (
        ("licence", "yours", set()),
        ("url", "https://example.org", set()),
        ("fold", "training", set()),
        ("unlabelled", "negative", {"convert_kitti"}),
        ("adapter", "openalpr", {"convert_kitti"}),
        ("video_pattern", "^(a)", {"convert_kitti"}),
    ):
        config = yaml.safe_load((fetched.folder / TINY).read_text())["sources"]["own"]
        with configured(fetched, "sources.own", {"classes": {}, **config, key: value}):
            assert fetched.planned("data/kitti/own/manifest.csv") == runs, key


def test_the_missing_engine_is_said_once(unfinished):
    """With rtx installed there is nothing to say."""
    module = unfinished.folder / "scripts/detectnet/deploy/rtx.py"
    module.write_text(module.read_text() + "\n\ndef available() -> bool:\n    return False\n")
    assert unfinished.run("--dry-run").count("No rtx engine is built") == 1


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
        ("deploy/deepstream/app.py", "write_deepstream", {"export_onnx", "build_engine"}),
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
