"""The input pipeline: batches that depend only on the seed and the step, whether resumed or not."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import tensorflow as tf

from detectnet.contract import Contract
from detectnet.errors import UserError
from detectnet.network import augmentation
from detectnet.network.augmentation import AugmentationSettings, Labels, Mixer, Scene, labels_of
from detectnet.network.loss import OBJECTIVES
from detectnet.network.masks import MaskSettings, draw_mask, weights_of, with_mask
from detectnet.network.picture_store import PictureStore
from detectnet.network.records import Frame, Records
from detectnet.network.targets import Targets, TargetSettings, rasterize

if TYPE_CHECKING:
    from detectnet.spec import Message

_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class InputSettings:
    """What the pipeline needs besides the records.

    Attributes:
        targets: grid and rasteriser; its width and height are those of whole pictures, the network's input.
        augmentation: for training only.
        channels: 3 (RGB) or 1 (grey).
        resize: stretch pictures of another size; otherwise they are cut, or padded with 0, right and bottom.
        scale: further factors of width and height.
        corner: x and y of the scaled picture, pixels, where the network's part of it begins.
        cropped: whether the spec asks for that part.
        masks: of the cost.
        view: width and height of the windows that training sees in the place of whole pictures, or None.
        uniform: draw as often from every data source, instead of in proportion to its size.
        workers: pictures prepared at the same time.
    """

    targets: TargetSettings
    augmentation: AugmentationSettings
    channels: int = 3
    resize: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    corner: tuple[int, int] = (0, 0)
    cropped: bool = False
    masks: MaskSettings = field(default_factory=MaskSettings)
    view: tuple[int, int] | None = None
    uniform: bool = False
    workers: int = 2

    @classmethod
    def from_spec(cls, experiment: Message, workers: int = 2) -> InputSettings:
        """Read augmentation, rasteriser, loss mask, and the data sources' weights and sampling.

        Raises:
            UserError: the crop is not of the network's size, or a loss mask cannot be made.
        """
        picture = experiment.augmentation_config.preprocessing
        return cls(
            targets=TargetSettings.from_spec(experiment),
            augmentation=AugmentationSettings.from_spec(experiment),
            channels=picture.output_image_channel,
            resize=picture.enable_auto_resize,
            scale=(picture.scale_width or 1.0, picture.scale_height or 1.0),
            corner=_corner(picture),
            cropped=any(_crop(picture)),
            masks=MaskSettings.from_spec(experiment),
            uniform=experiment.dataset_config.sampling_mode == "UNIFORM",
            workers=workers,
        )

    def window(self, width: int, height: int) -> InputSettings:
        """The same, but training sees windows of this size into the network's input, at its scale.

        A window lies anywhere in what the picture holds. Whatever does not train sees whole pictures still.

        Raises:
            UserError: the window is larger than the input, or not of whole cells.
        """
        stride, whole = self.targets.stride, (self.targets.width, self.targets.height)
        if width % stride or height % stride or not 0 < width <= whole[0] or not 0 < height <= whole[1]:
            raise UserError(
                f"no window of {width} x {height} pixels into an input of {whole[0]} x {whole[1]}",
                allowed=f"multiples of {stride}, no larger than the input",
            )
        return replace(self, view=None if (width, height) == whole else (width, height))

    @property
    def training(self) -> InputSettings:
        """Of what the batches of a training hold: their size, and whether cells of cut objects count."""
        width, height = self.view or (self.targets.width, self.targets.height)
        targets = replace(self.targets, width=width, height=height)
        return replace(
            self,
            targets=targets,
            augmentation=self.augmentation.window(width, height) if self.view else self.augmentation,
            masks=replace(self.masks, grid=targets.grid, hides=self.augmentation.hides),
        )


def _crop(picture: Message) -> list[int]:
    return [getattr(picture, f"crop_{side}") for side in ("left", "top", "right", "bottom")]


def _corner(picture: Message) -> tuple[int, int]:
    left, top, right, bottom = sides = _crop(picture)
    wanted = picture.output_image_width, picture.output_image_height
    given = right - left, bottom - top
    if any(sides) and given != wanted:
        raise UserError(
            f"the crop is {given[0]} x {given[1]} pixels, the network's input {wanted[0]} x {wanted[1]}",
            where=picture.where(),
            allowed="crop_right - crop_left = output_image_width, likewise for the height",
        )
    return left, top


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
    """Augmented batches for ``steps`` of a training; the k-th is the same wherever the range starts.

    Raises:
        UserError: the weight of a data source cannot be told.
    """
    order, weights = SampleOrder(records, seed, settings.uniform), weights_of(records, settings.masks)
    store = PictureStore(lambda index: fit_picture(records.frames[index], settings))
    made = settings.training
    mixer = Mixer(
        scene=lambda index: _scene(records.frames[index], store.content(index), settings),
        count=len(records),
        donors=np.flatnonzero([len(frame.boxes) for frame in records.frames]),
        settings=made.augmentation,
        seed=seed,
    )

    def prepare(sample: int) -> tuple[np.ndarray, ...]:
        seen = mixer.make(order.frame(sample), sample)
        return seen.picture, *_truth(seen.labels, made, weights[list(seen.sources)].mean())

    return _feed(range(steps.start * batch, steps.stop * batch), prepare, made, batch)


def plain_feed(records: Records, settings: InputSettings, *, batch: int) -> Feed:
    """Every picture once, in order, unchanged but for its size; the last batch may be smaller.

    Loss masks are as in training, but all sources weigh the same, and all that is cut is an object.
    """
    unchanged = replace(settings.augmentation, visible_share=0.0)

    def prepare(sample: int) -> tuple[np.ndarray, ...]:
        frame = records.frames[sample]
        scene = _scene(frame, fit_picture(frame, settings), settings)
        return scene.picture, *_truth(labels_of(scene, np.eye(3), unchanged), settings, np.float32(1))

    return _feed(range(len(records)), prepare, settings, batch)


def plain_batches(
    records: Records, settings: InputSettings, *, batch: int
) -> Iterator[tuple[tf.Tensor, Targets, Sequence[Frame]]]:
    """The batches of ``plain_feed``, each with its frames."""
    done = 0
    for pictures, targets in plain_feed(records, settings, batch=batch):
        yield pictures, targets, records.frames[done : done + len(pictures)]
        done += len(pictures)


class SampleOrder:
    """Which picture is sample number n of a training.

    An epoch holds as many samples as there are pictures. Every data source goes through its own pictures in
    permutations, each used up before the next, and the draws of an epoch are mixed.
    """

    def __init__(self, records: Records, seed: int, uniform: bool = False) -> None:
        sources = groups_of(records) if uniform else np.zeros(len(records), np.int64)
        count = sources.max() + 1
        self._members = [np.flatnonzero(sources == number) for number in range(count)]
        self._shares = np.array([len(part) for part in np.array_split(np.arange(len(records)), count)])
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


def groups_of(records: Records) -> np.ndarray:
    """The data source of every picture, (N,) int64, numbered in the order of the pictures."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(frame.data_source, len(numbers)) for frame in records.frames])


def fit_picture(frame: Frame, settings: InputSettings) -> np.ndarray:
    """The picture as network input, uint8 (H, W, C): scaled, then cut or padded with 0 right and bottom."""
    picture = frame.picture(settings.channels)
    size = tuple(fit_sizes(np.array(frame.size), settings).tolist())
    if size != frame.size:
        picture = cv2.resize(picture, size).reshape(*size[::-1], -1)
    height, width = settings.targets.height, settings.targets.width
    left, top = settings.corner
    part = picture[top : top + height, left : left + width]
    if part.shape[:2] == (height, width):
        return part
    canvas = np.zeros((height, width, picture.shape[2]), np.uint8)
    canvas[: part.shape[0], : part.shape[1]] = part
    return canvas


def fit_boxes(frame: Frame, settings: InputSettings) -> np.ndarray:
    """The boxes (N, 4) float32 of the picture as network input, before they are cut to it."""
    return moved(frame.boxes, np.array(frame.size), settings)


def moved(boxes: np.ndarray, sizes: np.ndarray, settings: InputSettings) -> np.ndarray:
    """Boxes (N, 4) float32 of pictures of these sizes, (2,) or (N, 2), as ``fit_boxes`` gives them."""
    factors = np.tile(_factors(sizes, settings), 2).astype(np.float32)
    return boxes * factors - np.float32(settings.corner * 2)


def fit_sizes(sizes: np.ndarray, settings: InputSettings) -> np.ndarray:
    """Width and height, (..., 2) int64, of scaled pictures that had these sizes."""
    return np.round(sizes * _factors(sizes, settings)).astype(np.int64)


def _factors(sizes: np.ndarray, settings: InputSettings) -> np.ndarray:
    """Of width and height, (..., 2) float64."""
    goal = settings.targets.width, settings.targets.height
    return np.multiply(settings.scale, goal) / sizes if settings.resize else np.array(settings.scale)


def plain_labels(frame: Frame, settings: InputSettings) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) float32 and classes (N,) int32 for evaluation: cut to the picture, not changed."""
    boxes, keep = augmentation.clip_boxes(fit_boxes(frame, settings), settings.augmentation)
    return boxes[keep].astype(np.float32), frame.classes[keep]


def _scene(frame: Frame, picture: np.ndarray, settings: InputSettings) -> Scene:
    """The picture, fitted, and all of its objects, the ones without a target class last."""
    others = moved(frame.other_boxes, np.array(frame.size), settings)
    return Scene(
        picture,
        boxes=np.concatenate([fit_boxes(frame, settings), others]),
        classes=np.concatenate([frame.classes, np.full(len(others), -1, np.int32)]),
        names=(*frame.names, *frame.other_names),
    )


def _truth(labels: Labels, settings: InputSettings, weight: np.float32) -> tuple[np.ndarray, ...]:
    """Boxes and classes of a picture, and where there are masks its mask and its weight."""
    drawn = labels.kept & (labels.classes >= 0)
    truth = labels.boxes[drawn].astype(np.float32), labels.classes[drawn]
    if not settings.masks.active:
        return truth
    # objects that are too small to be drawn can be masked
    mask = draw_mask(labels.boxes, labels.classes, labels.names, settings.masks, labels.hidden)
    return *truth, mask, weight


def _feed(samples: range, prepare: object, settings: InputSettings, batch: int) -> Feed:
    errors: list[Exception] = []

    def guarded(sample: np.ndarray) -> tuple[np.ndarray, ...]:
        try:
            return prepare(int(sample))
        except Exception as error:
            errors.append(error)
            raise

    parts = _parts(settings)

    def load(sample: tf.Tensor) -> Sequence[tf.Tensor]:
        made = tf.numpy_function(guarded, [sample], [dtype for dtype, _, _ in parts], stateful=False)
        return tuple(tf.ensure_shape(one, shape) for one, (_, shape, _) in zip(made, parts, strict=True))

    def draw(
        pictures: tf.Tensor, boxes: tf.Tensor, classes: tf.Tensor, *masks: tf.Tensor
    ) -> tuple[tf.Tensor, Targets]:
        targets = rasterize(boxes, classes, settings.targets)
        return pictures, with_mask(targets, *masks, settings.masks) if masks else targets

    cv2.setNumThreads(1)  # pictures are worked on side by side; threads inside each would only contend
    dataset = (
        tf.data.Dataset.range(samples.start, samples.stop)
        .map(load, num_parallel_calls=settings.workers, deterministic=True)
        .padded_batch(batch, tuple(shape for _, shape, _ in parts), tuple(padding for _, _, padding in parts))
        .map(draw, num_parallel_calls=1, deterministic=True)
        .prefetch(_BATCHES_AHEAD)
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = settings.workers + 1
    return Feed(dataset.with_options(options), errors)


def _parts(settings: InputSettings) -> list[tuple[tf.DType, tuple[int | None, ...], np.generic]]:
    """Type, shape and padding of picture, boxes and classes, and where there are masks of mask and weight."""
    size, masks = settings.targets, settings.masks
    parts = [
        (tf.uint8, (size.height, size.width, settings.channels), np.uint8(0)),
        (tf.float32, (None, 4), np.float32(0)),
        (tf.int32, (None,), np.int32(-1)),
    ]
    if masks.active:
        grid = (*masks.grid, masks.classes) if masks.spatial else (1, 1, 1)
        parts += [(tf.float32, (*grid, len(OBJECTIVES)), np.float32(0)), (tf.float32, (), np.float32(0))]
    return parts
