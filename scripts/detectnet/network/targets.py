"""Ground truth on the network's output grid: DetectNet_v2's rasteriser.

All maps are channels-last. Geometry is computed in grid units (pixels divided by the stride), with
16 sample points per cell, so that coverage is a multiple of 1/16. The formulas are those of NVIDIA's
DetectNet_v2 (TAO 5.0); a slow scalar version in the tests is the independent check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from detectnet.contract import BBOX_OFFSET, BBOX_SCALE, STRIDE
from detectnet.errors import UserError
from detectnet.spec import contract_of

if TYPE_CHECKING:
    from detectnet.spec import Message

SAMPLES = 4  # sample points per cell and axis, at 1/8, 3/8, 5/8 and 7/8 of the cell
MINIMUM_SEMI_AXIS = 0.1  # grid units; keeps the ellipse of a degenerate box drawable


class Targets(NamedTuple):
    """Target maps of a batch, float32.

    Attributes:
        cov: (B, h, w, C) coverage in 0..1, multiples of 1/16.
        cov_norm: (B, h, w, C) coverage divided by the area of the ellipse's rectangle, >= 1 cell:
            the weight of the bbox loss.
        bbox: (B, h, w, 4C) class-major distances left, top, right, bottom from the cell's reference
            point to the box, in units of 35 pixels; zero where nothing is drawn.
        mask: (B, h, w, C, 2) factors of the cost of coverage and bbox, or a shape that broadcasts to it;
            None where every cell counts.
    """

    cov: tf.Tensor
    cov_norm: tf.Tensor
    bbox: tf.Tensor
    mask: tf.Tensor | None = None


@dataclass(frozen=True)
class TargetSettings:
    """What the rasteriser needs to know.

    Attributes:
        width, height: network input, pixels.
        center, radius: (C, 2) of x and y; centre 0..1 of the box, radius relative to its half extent.
        minimum_radius: (C,) grid cells.
        deadzone: 0..1.
    """

    width: int
    height: int
    center: tuple[tuple[float, float], ...]
    radius: tuple[tuple[float, float], ...]
    minimum_radius: tuple[float, ...]
    deadzone: float
    stride: int = STRIDE
    bbox_scale: float = BBOX_SCALE
    bbox_offset: float = BBOX_OFFSET

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the output grid."""
        return self.height // self.stride, self.width // self.stride

    @classmethod
    def from_spec(cls, experiment: Message) -> TargetSettings:
        """Read ``bbox_rasterizer_config`` for the classes of ``cost_function_config``, in their order.

        Raises:
            UserError: a target class has no entry in ``bbox_rasterizer_config.target_class_config``.
        """
        rasterizer = experiment.bbox_rasterizer_config
        names = [target.name for target in experiment.cost_function_config.target_classes]
        missing = [name for name in names if name not in rasterizer.target_class_config]
        if missing:
            raise UserError(
                f"no entry for the target class {', '.join(missing)}",
                where=experiment.where("bbox_rasterizer_config"),
                remedy="Add a target_class_config with this key.",
            )
        chosen = [rasterizer.target_class_config[name] for name in names]
        contract = contract_of(experiment)
        return cls(
            width=contract.width,
            height=contract.height,
            center=tuple((one.cov_center_x, one.cov_center_y) for one in chosen),
            radius=tuple((one.cov_radius_x, one.cov_radius_y) for one in chosen),
            minimum_radius=tuple(one.bbox_min_radius for one in chosen),
            deadzone=rasterizer.deadzone_radius,
            stride=contract.stride,
            bbox_scale=contract.bbox_scale,
            bbox_offset=contract.bbox_offset,
        )


class _Ellipses(NamedTuple):
    """Per box, shape (B, K) each, grid units, in drawing order."""

    center: tuple[tf.Tensor, tf.Tensor]
    inner: tuple[tf.Tensor, tf.Tensor]
    outer: tuple[tf.Tensor, tf.Tensor]
    inverse_area: tf.Tensor


def rasterize(boxes: tf.Tensor, classes: tf.Tensor, settings: TargetSettings) -> Targets:
    """Draw boxes on the grid; a nearer box (larger bottom edge) is drawn over a farther one of its class.

    Args:
        boxes: (B, K, 4) float32, x1 y1 x2 y2 in input pixels; rows of padding may hold anything.
        classes: (B, K) int32, -1 marks padding.
        settings: shared by all batches.

    Works eagerly, in ``tf.function`` and in ``tf.data``; the only loop is over the K boxes.
    """
    boxes, classes = _in_drawing_order(tf.cast(boxes, tf.float32), tf.cast(classes, tf.int32))
    # one more box that is never drawn, so that a batch without any has an owner to look up
    boxes = tf.pad(boxes, [[0, 0], [0, 1], [0, 0]])
    classes = tf.pad(classes, [[0, 0], [0, 1]], constant_values=-1)
    ellipses = _ellipses(boxes, tf.maximum(classes, 0), settings)
    best, owner = _composite(ellipses, classes, settings)
    return _maps(best, owner, boxes, ellipses.inverse_area, settings)


def _in_drawing_order(boxes: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    order = tf.argsort(boxes[..., 3], axis=1, stable=True)
    return tf.gather(boxes, order, batch_dims=1), tf.gather(classes, order, batch_dims=1)


def _ellipses(boxes: tf.Tensor, classes: tf.Tensor, settings: TargetSettings) -> _Ellipses:
    """Semi-axes of coverage (inner) and dead zone (outer), after the minimum radius."""
    center, reach, axes = [], [], []
    for axis in (0, 1):
        near, far = boxes[..., axis] / settings.stride, boxes[..., axis + 2] / settings.stride
        share = tf.gather(tf.constant([pair[axis] for pair in settings.center], tf.float32), classes)
        radius = tf.gather(tf.constant([pair[axis] for pair in settings.radius], tf.float32), classes)
        middle = near + share * (far - near)
        # the distance to the nearer side: half the extent when the centre is in the middle
        side = tf.where(share < 0.5, middle - near, far - middle)
        center.append(middle)
        reach.append(side)
        axes.append(tf.maximum(radius * side, MINIMUM_SEMI_AXIS))
    a, b = _at_least(tf.gather(tf.constant(settings.minimum_radius, tf.float32), classes), *axes)
    dead = settings.deadzone
    outer = tuple(
        tf.maximum((1 - dead) * inner + dead * side, inner) for inner, side in zip((a, b), reach, strict=True)
    )
    return _Ellipses(tuple(center), (a, b), outer, 1 / tf.maximum(4 * a * b, 1.0))


def _at_least(minimum: tf.Tensor, a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Grow both semi-axes, first for x and then for y, keeping their ratio."""
    grow = a < minimum
    a, b = tf.where(grow, minimum, a), tf.where(grow, minimum * b / a, b)
    grow = b < minimum
    return tf.where(grow, minimum * a / b, a), tf.where(grow, minimum, b)


def _composite(
    ellipses: _Ellipses, classes: tf.Tensor, settings: TargetSettings
) -> tuple[tf.Tensor, tf.Tensor]:
    """Coverage (B, h, w, C) float32, and the drawing index of the box that holds each cell, int32."""
    rows, columns = settings.grid
    count = len(settings.minimum_radius)
    batch = tf.shape(classes)[0]
    best = tf.zeros((batch, rows, columns, count))
    owner = tf.zeros((batch, rows, columns, count), tf.int32)
    spans = [_spans(ellipses.center, axes, settings) for axes in (ellipses.inner, ellipses.outer)]

    def draw(index: tf.Tensor, best: tf.Tensor, owner: tf.Tensor) -> tuple[tf.Tensor, ...]:
        of_class = tf.one_hot(classes[:, index], count, on_value=True, off_value=False)
        cover, dead = (
            _coverage(start[:, index], end[:, index], settings)[..., tf.newaxis] for start, end in spans
        )
        # the dead zone takes a cell over; since dead >= cover, drawing needs no test of its own
        taken = (dead > 0) & (dead >= best) & of_class[:, tf.newaxis, tf.newaxis, :]
        return index + 1, tf.where(taken, cover, best), tf.where(taken, index, owner)

    _, best, owner = tf.while_loop(
        lambda index, *_: index < tf.shape(classes)[1] - 1, draw, (tf.constant(0), best, owner)
    )
    return best, owner


def _spans(
    center: tuple[tf.Tensor, tf.Tensor], axes: tuple[tf.Tensor, tf.Tensor], settings: TargetSettings
) -> tuple[tf.Tensor, tf.Tensor]:
    """The sample points inside the ellipses, line by line: from the start-th to before the end-th.

    Both (B, K, h, 4) float32, whole numbers. A line of points meets an ellipse in one piece, so that two
    numbers stand for all its points.
    """
    rows, columns = settings.grid
    y = tf.constant((np.arange(rows * SAMPLES) + 0.5) / SAMPLES, tf.float32)
    (middle, half), (middle_y, half_y) = (
        (one[..., tf.newaxis], other[..., tf.newaxis]) for one, other in zip(center, axes, strict=True)
    )
    reach = half * tf.sqrt(tf.maximum(1 - tf.square((y - middle_y) / half_y), 0))
    ends = (
        tf.floor((middle - reach) * SAMPLES - 0.5) + 1,
        tf.math.ceil((middle + reach) * SAMPLES - 0.5),
    )
    shape = tf.concat([tf.shape(middle)[:2], [rows, SAMPLES]], axis=0)
    start, end = (tf.reshape(tf.clip_by_value(one, 0.0, float(columns * SAMPLES)), shape) for one in ends)
    return start, end


def _coverage(start: tf.Tensor, end: tf.Tensor, settings: TargetSettings) -> tf.Tensor:
    """Share of each cell's sample points inside the ellipse of one box: (B, h, w) float32.

    Args:
        start, end: (B, h, 4), as of ``_spans``, of this box.
    """
    edges = tf.range(settings.grid[1] + 1, dtype=tf.float32) * SAMPLES
    # inside points left of every edge between columns, summed over the lines of a cell
    left = tf.reduce_sum(tf.minimum(tf.maximum(edges, start[..., tf.newaxis]), end[..., tf.newaxis]), axis=-2)
    return (left[..., 1:] - left[..., :-1]) / SAMPLES**2


def _maps(
    best: tf.Tensor, owner: tf.Tensor, boxes: tf.Tensor, inverse_area: tf.Tensor, settings: TargetSettings
) -> Targets:
    """Fill in the channels from each cell's owner."""
    rows, columns = settings.grid
    corner = tf.gather(boxes, owner, batch_dims=1)  # (B, h, w, C, 4)
    x = tf.range(columns, dtype=tf.float32)[:, tf.newaxis] * settings.stride + settings.bbox_offset
    y = tf.range(rows, dtype=tf.float32)[:, tf.newaxis, tf.newaxis] * settings.stride + settings.bbox_offset
    x1, y1, x2, y2 = tf.unstack(corner, axis=-1)
    distance = tf.stack([x - x1, y - y1, x2 - x, y2 - y], axis=-1) / settings.bbox_scale
    distance = tf.where(best[..., tf.newaxis] > 0, distance, 0.0)
    shape = tf.concat([tf.shape(best)[:3], [4 * best.shape[3]]], axis=0)
    weight = best * tf.gather(inverse_area, owner, batch_dims=1)
    return Targets(best, weight, tf.reshape(distance, shape))
