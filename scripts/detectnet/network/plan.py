"""What a training is going to do, read once from the spec."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from detectnet.errors import UserError
from detectnet.files import sha256
from detectnet.imports import files_used, package_root
from detectnet.network.inputs import InputSettings, groups_of
from detectnet.network.loss import LossSettings
from detectnet.network.masks import MaskSettings, weights_of
from detectnet.network.records import Records
from detectnet.network.schedule import EarlyStopping, Schedule, schedule_of, steps_of_epoch
from detectnet.network.stages import Stage, stages_of
from detectnet.spec import text_of

if TYPE_CHECKING:
    from detectnet.spec import Message

# What decides the trained weights. Anything else may change between a stop and a resume.
DECISIVE = (
    "random_seed",
    "dataset_config.target_class_mapping",
    "dataset_config.data_sources.source_weight",
    "dataset_config.sampling_mode",
    "augmentation_config",
    "model_config",
    "cost_function_config",
    "training_config.batch_size_per_gpu",
    "training_config.num_epochs",
    "training_config.steps_per_epoch",
    "training_config.learning_rate",
    "training_config.regularizer",
    "training_config.optimizer",
    "training_config.mixed_bfloat16",
    "training_config.input_stages",
    "training_config.ema_decay",
    "training_config.distillation.cov_weight",
    "training_config.distillation.bbox_weight",
    "bbox_rasterizer_config",
    "loss_mask_label_filter",
    "evaluation_config.validation_period_during_training",
    "evaluation_config.first_validation_epoch",
)


@dataclass(frozen=True)
class Plan:
    """Numbers of a training.

    Attributes:
        seed: of weights, order and augmentation.
        batch, epochs, steps_per_epoch: an epoch is a number of steps, the stream of pictures is endless.
        schedule, loss: learning rate and cost.
        policy: Keras dtype policy.
        first_validation, validation_period: epochs, 1-based; the last epoch is always validated.
        checkpoint_epochs: epochs between checkpoints.
        checkpoint_seconds: seconds between checkpoints inside an epoch, 0 for none.
        stages: sizes of the pictures, from the first step to the last.
        ema_decay: of the moving average of the weights, 0 for none.
        identity: sha256 of everything that decides the result, the code that trains included.
    """

    seed: int
    batch: int
    epochs: int
    steps_per_epoch: int
    schedule: Schedule
    loss: LossSettings
    policy: str
    first_validation: int
    validation_period: int
    checkpoint_epochs: int
    checkpoint_seconds: float
    stages: tuple[Stage, ...]
    ema_decay: float
    identity: str

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * self.steps_per_epoch

    def validates(self, epoch: int) -> bool:
        """Whether to validate after an epoch, counted from 1."""
        since = epoch - self.first_validation
        return epoch == self.epochs or (since >= 0 and since % self.validation_period == 0)


def plan_of(
    experiment: Message,
    training: Records,
    validation: Records | None,
    initial_model: Path | None,
    teacher: Path | None = None,
) -> Plan:
    """The plan of an experiment spec for these records, this initial model and this teacher.

    Raises:
        UserError: the spec's schedule or cost cannot be used, or the schedule waits for validations that
            there are not.
    """
    config, evaluation = experiment.training_config, experiment.evaluation_config
    steps_per_epoch = steps_of_epoch(config, len(training))
    schedule = schedule_of(experiment, steps_per_epoch)
    if isinstance(schedule, EarlyStopping) and validation is None:
        raise UserError(
            "the schedule stops when validation gets no better, and there are no pictures to validate on",
            where=config.learning_rate.where("early_stopping_annealing_schedule"),
            remedy="Give validation records, or use soft_start_annealing_schedule.",
        )
    return Plan(
        seed=experiment.random_seed,
        batch=config.batch_size_per_gpu,
        epochs=config.num_epochs,
        steps_per_epoch=steps_per_epoch,
        schedule=schedule,
        loss=LossSettings.from_spec(experiment),
        policy="mixed_bfloat16" if config.mixed_bfloat16 else "float32",
        first_validation=evaluation.first_validation_epoch,
        validation_period=evaluation.validation_period_during_training,
        # TAO's default of ten epochs loses hours to a power cut
        checkpoint_epochs=config.checkpoint_interval if config.has("checkpoint_interval") else 1,
        checkpoint_seconds=config.checkpoint_seconds,
        stages=stages_of(experiment, config.num_epochs * steps_per_epoch),
        ema_decay=config.ema_decay,
        identity=_identity(experiment, training, validation, (initial_model, teacher)),
    )


def _identity(
    experiment: Message, training: Records, validation: Records | None, models: Sequence[Path | None]
) -> str:
    parts = [
        _code(),
        text_of(experiment, DECISIVE),
        weights_of(training, MaskSettings.from_spec(experiment)).tobytes().hex(),
        _sampled(experiment, training),
        training.digest,
        validation.digest if validation else "",
        *(sha256(model) if model else "" for model in models),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _sampled(experiment: Message, training: Records) -> str:
    """Which pictures are drawn together; the paths of the data sources decide it where they count."""
    uniform = InputSettings.from_spec(experiment).uniform
    return groups_of(training).tobytes().hex() if uniform else ""


def _code() -> str:
    """The modules behind training: a mended defect must not go on from weights trained with it."""
    start = Path(__file__).with_name("training.py")
    root = package_root(start)
    return "\n".join(f"{Path(path).relative_to(root)} {sha256(path)}" for path in files_used(start))
