"""The input pipeline: batches that depend only on the seed and the step, whether resumed or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import tensorflow as tf

from detectnet.contract import Contract
from detectnet.logs import log
from detectnet.network import augmentation
from detectnet.network.augmentation import AugmentationSettings
from detectnet.network.records import Frame, Records
from detectnet.network.targets import Targets, TargetSettings, rasterize

if TYPE_CHECKING:
    from detectnet.spec import Message

_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class InputSettings:
    """What the pipeline needs besides the records.

    Attributes:
        targets: grid and rasteriser; its width and height are those of the batches.
        augmentation: for training only.
        channels: 3 (RGB) or 1 (grey).
        resize: stretch pictures of another size; otherwise they are cut, or padded with 0, right and bottom.
        uniform: draw as often from every source, instead of in proportion to its size.
        workers: pictures prepared at the same time.
    """

    targets: TargetSettings
    augmentation: AugmentationSettings
    channels: int = 3
    resize: bool = False
    uniform: bool = False
    workers: int = 2

    @classmethod
    def from_spec(cls, experiment: Message, workers: int = 2) -> InputSettings:
        """Read ``augmentation_config``, ``bbox_rasterizer_config`` and ``dataset_config.sampling_mode``."""
        picture = experiment.augmentation_config.preprocessing
        return cls(
            targets=TargetSettings.from_spec(experiment),
            augmentation=AugmentationSettings.from_spec(experiment),
            channels=picture.output_image_channel,
            resize=picture.enable_auto_resize,
            uniform=experiment.dataset_config.sampling_mode == "UNIFORM",
            workers=workers,
        )


@dataclass
class Feed:
    """Batches, and the error of the worker that broke them off, which TensorFlow would blur."""

    dataset: tf.data.Dataset
    errors: list[Exception] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[tf.Tensor, Targets]]:
        """Pictures (B, H, W, C) uint8 and their targets.

        Raises:
            UserError: a picture cannot be read.
        """
        try:
            yield from self.dataset
        except tf.errors.OpError as error:
            raise (self.errors[0] if self.errors else error) from error


def to_network(pictures: tf.Tensor) -> tf.Tensor:
    """uint8 0..255 to float32 0..1. Done inside the step: bytes are cheaper to hand around."""
    return tf.cast(pictures, tf.float32) * Contract.scale


def training_feed(records: Records, settings: InputSettings, *, seed: int, batch: int, steps: range) -> Feed:
    """Augmented batches for ``steps`` of a training; the k-th is the same wherever the range starts."""
    order = SampleOrder(records, seed, settings.uniform)

    def prepare(sample: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frame = records.frames[order.frame(sample)]
        change = augmentation.draw(settings.augmentation, seed, sample)
        picture = augmentation.apply(fit_picture(frame, settings), change, settings.augmentation)
        boxes = augmentation.transform_boxes(fit_boxes(frame, settings), change.matrix)
        return picture, *_labels(boxes, frame.classes, settings)

    return _feed(range(steps.start * batch, steps.stop * batch), prepare, settings, batch)


def plain_feed(records: Records, settings: InputSettings, *, batch: int) -> Feed:
    """Every picture once, in order, unchanged but for its size; the last batch may be smaller."""

    def prepare(sample: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frame = records.frames[sample]
        return fit_picture(frame, settings), *plain_labels(frame, settings)

    return _feed(range(len(records)), prepare, settings, batch)


class SampleOrder:
    """Which picture is sample number n of a training.

    An epoch holds as many samples as there are pictures. Every source goes through its own pictures in
    permutations, each used up before the next, and the draws of an epoch are mixed.
    """

    def __init__(self, records: Records, seed: int, uniform: bool = False) -> None:
        sources = np.array([frame.source for frame in records.frames])
        names = np.unique(sources) if uniform else [None]
        self._members = [np.flatnonzero((sources == name) | (name is None)) for name in names]
        self._shares = np.array([len(part) for part in np.array_split(np.arange(len(records)), len(names))])
        self._seed, self._size = seed, len(records)
        self._epoch = lru_cache(maxsize=4)(self._draws)

    def frame(self, sample: int) -> int:
        """Index of the picture of sample number ``sample``, counted from the start of training."""
        return int(self._epoch(sample // self._size)[sample % self._size])

    def _draws(self, epoch: int) -> np.ndarray:
        drawn = []
        for source, (members, share) in enumerate(zip(self._members, self._shares, strict=True)):
            numbers = np.arange(epoch * share, (epoch + 1) * share)
            for turn in np.unique(numbers // len(members)):
                mixed = np.random.default_rng((self._seed, 1, source, turn)).permutation(members)
                drawn.append(mixed[numbers[numbers // len(members) == turn] % len(members)])
        return np.random.default_rng((self._seed, 2, epoch)).permutation(np.concatenate(drawn))


def fit_picture(frame: Frame, settings: InputSettings) -> np.ndarray:
    """The picture at network size, uint8 (H, W, C): stretched, or cut and padded with 0 right and bottom."""
    picture = frame.picture(settings.channels)
    goal = settings.targets.height, settings.targets.width
    if picture.shape[:2] == goal:
        return picture
    if settings.resize:
        return cv2.resize(picture, goal[::-1]).reshape(*goal, -1)
    canvas = np.zeros((*goal, picture.shape[2]), np.uint8)
    part = picture[: goal[0], : goal[1]]
    canvas[: part.shape[0], : part.shape[1]] = part
    return canvas


def fit_boxes(frame: Frame, settings: InputSettings) -> np.ndarray:
    """The boxes (N, 4) of the picture at network size, before they are cut to it."""
    if not settings.resize:
        return frame.boxes
    goal = settings.targets.width, settings.targets.height
    return frame.boxes * np.array([goal[0] / frame.size[0], goal[1] / frame.size[1]] * 2, np.float32)


@dataclass(frozen=True)
class Losses:
    """What pictures and boxes lose on their way to the network, before any augmentation.

    Attributes:
        cut: pictures that are larger than the network and not resized.
        outside: boxes that leave the picture, so that too little of them is left.
        small: boxes below ``min_bbox_width`` or ``min_bbox_height`` as they are.
    """

    cut: int
    outside: int
    small: int


def losses_of(records: Records, settings: InputSettings) -> Losses:
    """Count them over all pictures."""
    cut = outside = small = 0
    size = settings.targets
    for frame in records.frames:
        cut += not settings.resize and (frame.size[0] > size.width or frame.size[1] > size.height)
        boxes = fit_boxes(frame, settings)
        _, keep = augmentation.clip_boxes(boxes, settings.augmentation)
        large = np.all(boxes[:, 2:] - boxes[:, :2] >= settings.augmentation.minimum_box, axis=1)
        outside += int(np.sum(~keep & large))
        small += int(np.sum(~keep & ~large))
    return Losses(cut, outside, small)


def warn_of_losses(records: Records, settings: InputSettings) -> None:
    """Log what training and evaluation will not see of these records, if there is anything."""
    lost, size = losses_of(records, settings), settings.targets
    if lost.cut:
        log.warning(
            "%d of %d pictures are larger than the network's %d x %d and are cut; %d of %d boxes lie outside "
            "what is left and are neither trained nor evaluated. Resize the pictures before they are "
            "packed, or set augmentation_config.preprocessing.enable_auto_resize: true.",
            lost.cut,
            len(records),
            size.width,
            size.height,
            lost.outside,
            records.objects,
        )
    elif lost.outside:
        log.warning(
            "%d of %d boxes lie outside their pictures and are neither trained nor evaluated. "
            "Mend the labels.",
            lost.outside,
            records.objects,
        )
    if lost.small:
        log.warning(
            "%d of %d boxes are smaller than %g x %g pixels and are neither trained nor evaluated. To keep "
            "them, lower min_bbox_width and min_bbox_height in augmentation_config.preprocessing, or resize "
            "the pictures to a larger network input.",
            lost.small,
            records.objects,
            *settings.augmentation.minimum_box,
        )


def plain_labels(frame: Frame, settings: InputSettings) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) float32 and classes (N,) int32 for evaluation: cut to the picture, not changed."""
    return _labels(fit_boxes(frame, settings), frame.classes, settings)


def _labels(boxes: np.ndarray, classes: np.ndarray, settings: InputSettings) -> tuple[np.ndarray, np.ndarray]:
    boxes, keep = augmentation.clip_boxes(boxes, settings.augmentation)
    return boxes[keep].astype(np.float32), classes[keep]


def _feed(samples: range, prepare: object, settings: InputSettings, batch: int) -> Feed:
    errors: list[Exception] = []

    def guarded(sample: np.ndarray) -> tuple[np.ndarray, ...]:
        try:
            return prepare(int(sample))
        except Exception as error:
            errors.append(error)
            raise

    size = settings.targets
    shapes = ((size.height, size.width, settings.channels), (None, 4), (None,))

    def load(sample: tf.Tensor) -> Sequence[tf.Tensor]:
        made = tf.numpy_function(guarded, [sample], [tf.uint8, tf.float32, tf.int32], stateful=False)
        return tuple(tf.ensure_shape(one, shape) for one, shape in zip(made, shapes, strict=True))

    def draw(pictures: tf.Tensor, boxes: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, Targets]:
        return pictures, rasterize(boxes, classes, settings.targets)

    cv2.setNumThreads(1)  # pictures are worked on side by side; threads inside each would only contend
    dataset = (
        tf.data.Dataset.range(samples.start, samples.stop)
        .map(load, num_parallel_calls=settings.workers, deterministic=True)
        .padded_batch(batch, shapes, (np.uint8(0), np.float32(0), np.int32(-1)))
        .map(draw, num_parallel_calls=1, deterministic=True)
        .prefetch(_BATCHES_AHEAD)
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = settings.workers + 1
    return Feed(dataset.with_options(options), errors)
