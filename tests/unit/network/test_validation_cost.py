"""The validation cost that comes with predictions, against the formula in numpy."""

import numpy as np
import pytest
import record_files

from detectnet.network.inputs import InputSettings, plain_feed
from detectnet.network.loss import LossSettings
from detectnet.network.model import build_model, save_model
from detectnet.network.predict import index_of, predict_keras


def test_the_cost_is_that_of_the_initial_weights_over_pictures_counted_once(tmp_path):
    """Eleven pictures are more than one batch: the last one is smaller, and none is counted twice."""
    experiment = record_files.experiment()
    shard = record_files.write_shard(tmp_path, 11)
    model = build_model(experiment.model_config, LossSettings.from_spec(experiment).classes, 96, 96, 3)
    save_model(model, tmp_path / "model.keras")
    with predict_keras(tmp_path / "model.keras", [shard], experiment) as predictions:
        assert predictions.cost is None
        made = list(predictions)
    cov, bbox = (np.stack([getattr(one, name) for one in made]) for name in ("cov", "bbox"))
    feed = plain_feed(index_of(experiment, [shard]), InputSettings.from_spec(experiment), batch=11)
    targets = next(iter(feed))[1]
    truth, weight, distance = (np.moveaxis(one.numpy(), -1, 1) for one in targets[:3])
    entropy = -(truth * np.log(cov + 1e-5) + (1 - truth) * np.log(1 - cov + 1e-5))
    cov_cost = np.mean(np.where(truth > 0.5, 0.05, 0.95) * entropy)
    bbox_cost = np.mean(weight * np.abs(bbox - distance))
    assert predictions.cost == pytest.approx(cov_cost / 11 + bbox_cost * 10 / 11, rel=1e-4)
