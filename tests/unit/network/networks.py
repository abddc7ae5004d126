"""Small networks for the tests of this folder."""

import numpy as np

from detectnet.network.model import build_model
from detectnet.spec.message import Message
from detectnet.spec.schema_model import MODEL_CONFIG


def config(**fields):
    """The model_config of a spec file that gives these fields."""
    return Message(MODEL_CONFIG, "spec.cfg", "model_config", _values={"use_batch_norm": True, **fields})


def network(layers=10, size=64, classes=("plate",), *, seed=42, policy="float32", **fields):
    """A quarter-width detector, unless ``fields`` say otherwise."""
    fields = {"num_layers": layers, "width_multiplier": 0.25, "all_projections": True, **fields}
    return build_model(config(**fields), classes, size, size, seed=seed, policy=policy)


def randomize(model, seed=1):
    """Trained-looking weights: no two filters, biases or statistics are equal."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            values = random.normal(size=weight.shape)
            if weight.name == "moving_variance":
                values = 0.5 + np.abs(values)
            if weight.name == "kernel":
                values *= random.uniform(0.2, 1.5, weight.shape[-1]) / np.sqrt(np.prod(weight.shape[:-1]))
            weight.assign(values.astype(np.float32))
    return model


def pictures(size=64, count=2, seed=3):
    return np.random.default_rng(seed).random((count, size, size, 3), dtype=np.float32)


def outputs(model, batch):
    return [np.asarray(one) for one in model(batch, training=False)]
