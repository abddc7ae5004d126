"""Networks that are small enough to export in a test."""

import keras
import numpy as np

from detectnet.contract import Contract
from detectnet.network.model import build_model
from detectnet.spec.message import Message
from detectnet.spec.schema_model import MODEL_CONFIG

CLUSTERING = {
    "coverage_threshold": 0.3,
    "dbscan_eps": 0.4,
    "dbscan_min_coverage": 0.5,
    "dbscan_confidence_threshold": 0.5,
    "minimum_bounding_box_height": 4,
}


def contract(width=96, height=64, classes=("plate", "car"), **fields):
    return Contract(width, height, tuple(classes), {name: dict(CLUSTERING) for name in classes}, **fields)


def network(contract, *, policy="float32", layers=10, seed=0, **fields):
    """A detector with trained-looking weights and statistics; narrow where the back-bone can be."""
    narrow = {} if fields.get("arch", "resnet") != "resnet" else {"width_multiplier": 0.125}
    fields = {"num_layers": layers, "use_batch_norm": True, **narrow, **fields}
    config = Message(MODEL_CONFIG, "spec.cfg", "model_config", _values=fields)
    size = (contract.height, contract.width, contract.channels)
    model = build_model(config, contract.classes, *size, policy=policy)
    random = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            values = random.normal(size=weight.shape)
            if weight.name == "kernel":
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                values /= 2 * np.sqrt(np.prod(weight.shape[: 2 if depthwise else 3]))
            if weight.name in ("moving_variance", "gamma"):
                values = 0.5 + np.abs(values)
            weight.assign(values.astype(np.float32))
    return model


def scene(width, height, boxes, seed=0):
    """A noisy grey picture with a bright plate-like rectangle at each box; uint8 RGB."""
    random = np.random.default_rng(seed)
    picture = random.integers(60, 110, (height, width, 3), dtype=np.uint8)
    for x1, y1, x2, y2 in boxes:
        picture[y1:y2, x1:x2] = 230
    return picture


class BrightRectangle:
    """A network that knows the answer: cells on bright pixels point at the bright rectangle's edges."""

    def __init__(self, contract: Contract, coverage: float = 0.8) -> None:
        self.contract, self.coverage, self.calls = contract, coverage, 0

    def __call__(self, inputs):
        self.calls += len(inputs)
        return tuple(np.stack(part) for part in zip(*(self._one(picture) for picture in inputs)))

    def _one(self, picture):
        grid = (self.contract.grid_height, self.contract.grid_width)
        cov, bbox = np.zeros((1, *grid), np.float32), np.zeros((4, *grid), np.float32)
        rows, columns = np.nonzero(picture.mean(axis=0) > 0.7)
        if len(rows):
            left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
            x = 16 * np.arange(grid[1]) + 0.5
            y = 16 * np.arange(grid[0])[:, None] + 0.5
            inside = (x > left) & (x < right) & (y > top) & (y < bottom)
            cov[0, inside] = self.coverage
            for channel, distance in enumerate((x - left, y - top, right - x, bottom - y)):
                bbox[channel] = distance / 35
        return cov, bbox
