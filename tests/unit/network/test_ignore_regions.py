"""Ignore regions of the corrections: neutral in the committed training, known to the audit."""

from pathlib import Path

import numpy as np
import pytest
import record_files
import tensorflow as tf

from detectnet import spec
from detectnet.data.corrections import DONTCARE
from detectnet.deploy.auditing import look_at
from detectnet.network.loss import OBJECTIVES
from detectnet.network.masks import MaskSettings, draw_mask
from detectnet.network.model import build_model, save_model

SPECS = Path(__file__).resolve().parents[3] / "config" / "specs" / "plates"


@pytest.mark.parametrize("name", ["experiment_config.cfg", "prunned_config.cfg"])
def test_the_plate_specs_leave_ignore_regions_out_of_both_costs(name):
    settings = MaskSettings.from_spec(spec.load(SPECS / name, "experiment"))
    boxes = np.array([[0, 0, 32, 16], [64, 64, 96, 96]], np.float32)
    mask = draw_mask(boxes, np.array([0, -1]), ("plate", DONTCARE), settings)
    assert mask.shape == (40, 40, 1, len(OBJECTIVES))
    neutral = {tuple(map(int, cell)) for cell in np.argwhere(mask[..., 0, :].max(axis=-1) == 0)}
    assert neutral == {(4, 4), (4, 5), (5, 4), (5, 5)}
    assert (mask[..., 0, :].sum(axis=(0, 1)) == 40 * 40 - 4).all()
    assert settings.preserve  # a plate that reaches into a region is trained


def test_the_audit_gets_labels_detections_and_ignore_regions_of_all_folds(tmp_path):
    experiment = record_files.experiment()
    shards = [record_files.write_shard(tmp_path, 2, fold=fold, seed=fold) for fold in (1, 0)]
    other = tmp_path / record_files.SHARD.format(source="vans", fold=1)
    plate, region = (0, 0, 32, 16), (64, 64, 96, 96)
    encoded = record_files.encoded(np.zeros((96, 96, 3), np.uint8))
    with tf.io.TFRecordWriter(str(other)) as writer:
        writer.write(record_files.example("images/0", [plate, region], ["plate", DONTCARE], encoded))
    model = build_model(experiment.model_config, ("plate",), 96, 96, 3)
    save_model(model, tmp_path / "model.keras")
    pictures, ignored = look_at(tmp_path / "model.keras", [*shards, other], experiment, threads=1)
    assert [(one.source, one.frame_id) for one in pictures] == [
        *(("cars", f"images/cars_{fold}_{number}") for fold in (0, 1) for number in (0, 1)),
        ("vans", "images/0"),
    ]
    assert pictures[-1].truth["plate"].tolist() == [list(plate)]
    assert set(pictures[-1].found) == {"tlt"}
    assert {key: boxes.tolist() for key, boxes in ignored.items()} == {("vans", "images/0"): [list(region)]}
