"""Distillation: a student learns the outputs of a trained network as well (Hinton et al. 2015)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from detectnet import spec
from detectnet.contract import STRIDE
from detectnet.data.data_root import weight_places
from detectnet.errors import UserError
from detectnet.files import PathLike
from detectnet.network.loss import LossSettings, costs
from detectnet.network.model import HEADS, load_model
from detectnet.network.targets import Targets
from detectnet.spec.load import text_at

if TYPE_CHECKING:
    from detectnet.spec import Message

SEEN = 0.1  # coverage from which on a teacher's boxes are worth learning


class Teacher:
    """A frozen network, and what it costs a student to differ from it.

    Attributes:
        model: it computes as in inference, and nothing of it is trained.
    """

    def __init__(
        self, model: keras.Model, loss: LossSettings, *, cov_weight: float, bbox_weight: float
    ) -> None:
        """``loss`` is the student's; the weights are factors >= 0 of the cost of either output."""
        self.model = model
        self._loss = replace(loss, giou_weight=0.0)
        self._weights = tf.constant([cov_weight, bbox_weight], tf.float32)

    @staticmethod
    def targets(bbox: tf.Tensor, cov: tf.Tensor) -> Targets:
        """A teacher's outputs as targets: boxes weigh as much as its coverage where that exceeds ``SEEN``.

        No loss mask applies: a teacher has an opinion where the labels have none.
        """
        bbox, cov = (tf.stop_gradient(tf.cast(one, tf.float32)) for one in (bbox, cov))
        return Targets(cov, tf.where(cov > SEEN, cov, 0.0), bbox)

    def costs(self, cov: tf.Tensor, bbox: tf.Tensor, targets: Targets) -> tf.Tensor:
        """Mean cost of a student's outputs per class and objective, (C, 2) float32, with this one's weights.

        The cross-entropy is the task's, with its foreground and focal weights; boxes cost L1 alone.
        """
        return costs(cov, bbox, targets, self._loss) * self._weights


def teacher_file(experiment: Message, given: PathLike | None = None) -> Path | None:
    """The teacher's model: the given one, or that of the spec; None without ``distillation``.

    Raises:
        UserError: one is given that the spec does not want, there is none, or it does not exist.
    """
    config = experiment.training_config
    if not config.has("distillation"):
        if given:
            raise UserError(
                "there is a teacher, but the spec has no distillation",
                where=config.where("distillation"),
                remedy="Add distillation { } to training_config, or give no teacher.",
            )
        return None
    path = given or config.distillation.teacher_model_file
    if not path:
        raise UserError(
            "distillation without a teacher",
            where=config.where("distillation"),
            remedy="Name one as teacher_model_file, or on the command line.",
        )
    tried = [Path(given)] if given else weight_places(path)
    found = next(filter(Path.is_file, tried), None)
    if found is None:
        raise UserError(
            f"the teacher does not exist (looked for: {', '.join(map(str, tried))})",
            where=None if given else config.distillation.where("teacher_model_file"),
            allowed="a trained model.keras",
        )
    return found


def load_teacher(
    path: Path, experiment: Message, student: keras.Model, loss: LossSettings, policy: str
) -> Teacher:
    """The teacher in a file, computing in a Keras dtype policy.

    Raises:
        UserError: it has other inputs, other classes or another stride than the student.
    """
    model = load_model(path, policy)
    _check_like(model, student, path)
    _check_classes(path, loss.classes)
    given = experiment.training_config.distillation
    return Teacher(model, loss, cov_weight=given.cov_weight, bbox_weight=given.bbox_weight)


def _check_like(teacher: keras.Model, student: keras.Model, path: Path) -> None:
    if list(teacher.output_names) != list(HEADS):
        raise UserError(
            f"the teacher's outputs are {', '.join(teacher.output_names)}", where=path, allowed=HEADS
        )
    (_, high, wide, channels), (_, *wanted) = teacher.input_shape, student.input_shape
    if [high, wide, channels] != wanted:
        raise UserError(
            f"the teacher takes {wide} x {high} pixels of {channels} channels",
            where=path,
            allowed=f"{wanted[1]} x {wanted[0]} pixels of {wanted[2]} channels, as the student",
        )
    (_, rows, columns, classes), (_, *expected) = (one.output_shape[1] for one in (teacher, student))
    if [rows, columns] != expected[:2]:
        raise UserError(
            f"the teacher has {columns} x {rows} cells, the student {expected[1]} x {expected[0]}",
            where=path,
            allowed=f"a network of stride {STRIDE}",
        )
    if classes != expected[2]:
        raise UserError(
            f"the teacher finds {classes} classes, the student {expected[2]}",
            where=path,
            allowed="the same classes in the same order",
        )


def _check_classes(path: Path, classes: tuple[str, ...]) -> None:
    """Names and their order, where the spec of the teacher's training lies beside it."""
    written = path.with_name("spec.cfg")
    if not written.is_file():
        return
    trained = spec.parse(text_at(written), "experiment", str(written))
    names = LossSettings.from_spec(trained).classes
    if names != classes:
        raise UserError(
            f"the teacher finds {', '.join(names)}",
            where=path,
            allowed=f"{', '.join(classes)} in this order, as the student",
        )
