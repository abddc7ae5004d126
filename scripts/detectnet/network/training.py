"""Training and retraining of a detector, from record shards to a model file with its provenance."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import pandas as pd
import tensorflow as tf

from detectnet.data.data_root import weight_places
from detectnet.errors import UserError
from detectnet.files import PathLike, read_json, sha256, write_csv, write_json, write_text
from detectnet.logs import log
from detectnet.network.checkpoints import Checkpoints, only_trainer
from detectnet.network.distillation import load_teacher, teacher_file
from detectnet.network.inputs import InputSettings
from detectnet.network.model import build_model, load_model, save_model, with_heads
from detectnet.network.plan import Plan, plan_of
from detectnet.network.predict import index_of
from detectnet.network.preflight import Finding, preflight, settle
from detectnet.network.records import Records
from detectnet.network.reporting import Events, Status
from detectnet.network.step import EvaluationStep, TrainingStep, adam
from detectnet.network.trainer import Trainer
from detectnet.network.validation import Validator
from detectnet.network.versions import versions
from detectnet.network.weights import OUTCOMES, load_by_name, write_hdf5

if TYPE_CHECKING:
    from detectnet.spec import Message

OUTPUTS = ("model.keras", "model.hdf5", "history.csv", "spec.cfg", "status.jsonl", "provenance.json")


class Models(NamedTuple):
    """The models that a training reads: where its weights begin, and whom it learns from; None for none."""

    initial: Path | None
    teacher: Path | None


def train(
    experiment: Message,
    training: Sequence[PathLike],
    validation: Sequence[PathLike],
    out_dir: PathLike,
    *,
    initial_model: PathLike | None = None,
    teacher: PathLike | None = None,
    threads: int = 2,
    resume: bool = True,
) -> None:
    """Train a detector, or go on with a training that was stopped.

    ``out_dir`` gets ``model.keras`` and ``model.hdf5`` (the weights of the best validation mAP; the last ones
    where nothing could be validated), ``history.csv``, ``spec.cfg``, ``status.jsonl`` and ``provenance.json``
    at the end, and while it runs ``running.jsonl`` (the status log so far), ``events/`` and
    ``checkpoints/``, from which the same call goes on after any kind of stop. A finished training is not
    done again.

    Args:
        experiment: the experiment spec.
        training, validation: record shards; without validation pictures nothing is validated.
        out_dir: folder, made where missing.
        initial_model: with ``load_graph`` the network to train, pruned or not; otherwise weights that are
            copied by layer name. Default: the spec's ``pretrained_model_file``.
        teacher: with ``distillation`` the network to learn from. Default: its ``teacher_model_file``.
        threads: of TensorFlow and of the input pipeline.
        resume: False removes the checkpoints of this very training, and a finished result's provenance.

    Raises:
        UserError: spec, records and model do not go together (see ``preflight``), the loss is not finite, or
            another process trains in the folder.
    """
    out = Path(out_dir)
    with only_trainer(out / "checkpoints"):
        status = Status(out)
        try:
            initial = initial_file(experiment, initial_model)
            models = Models(initial, teacher_file(experiment, teacher))
            _train(experiment, training, validation, out, models, threads, resume, status)
        except (SystemExit, KeyboardInterrupt) as error:
            status.write("STOPPED", f"stopped by {_stopper(error)}; the same command goes on")
            raise
        except BaseException as error:
            status.write("FAILURE", str(error) or type(error).__name__)
            raise
        status.remove_running()


def _stopper(error: SystemExit | KeyboardInterrupt) -> str:
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT.name
    names = {128 + one: one.name for one in signal.Signals}
    return names.get(error.code, f"exit {error.code}")


def _train(
    experiment: Message,
    training: Sequence[PathLike],
    validation: Sequence[PathLike],
    out: Path,
    models: Models,
    threads: int,
    resume: bool,
    status: Status,
) -> None:
    use_threads(threads)
    records, held_out = records_for(experiment, training, validation)
    plan = plan_of(experiment, records, held_out, models.initial, models.teacher)
    if resume and _finished(out, plan):
        log.info("%s holds the finished training of this spec and these records; nothing to do", out)
        return
    model, origin = _model(experiment, plan, models.initial)
    loaded = (model, str(models.initial)) if experiment.model_config.load_graph else None
    noted = settle(preflight(experiment, records, held_out, loaded=loaded))
    checkpoints = Checkpoints(out / "checkpoints", plan.identity)
    if not resume:
        # or the next start would go on from the old ones, or take the old result for this one's
        checkpoints.clear()
        (out / "provenance.json").unlink(missing_ok=True)
    inputs = InputSettings.from_spec(experiment, threads)
    said = [one.sentence() for one in noted]
    validator = (
        Validator(experiment, EvaluationStep(model, plan.loss), held_out, inputs, plan.batch, said)
        if held_out
        else None
    )
    teacher = models.teacher and load_teacher(models.teacher, experiment, model, plan.loss, plan.policy)
    step = TrainingStep(model, adam(experiment), plan.loss, ema_decay=plan.ema_decay, teacher=teacher)
    trainer = Trainer(plan, step, inputs, records, validator, checkpoints)
    trainer.restore()
    status.start(trainer.state.step)
    trainer.run(status, Events(out / "events"))
    trainer.take_result()
    _write_result(out, experiment, trainer, model)
    status.finish()
    # at the very end, because it says that the training is finished
    origins = {"initial_weights": origin, "teacher": _file(models.teacher)}
    _write_provenance(out, plan, trainer, records, held_out, origins, noted, threads)


def use_threads(count: int) -> None:
    """Limit TensorFlow to ``count`` threads inside an operation; pictures are prepared beside it.

    Where TensorFlow runs already it keeps the number it began with.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(2)
    except RuntimeError:
        log.debug("TensorFlow has started; its number of threads stays")


def initial_file(experiment: Message, given: PathLike | None = None) -> Path | None:
    """The model that a training starts from: the given one, or that of the spec; None for random weights.

    Raises:
        UserError: there is none though the spec needs one, or it does not exist.
    """
    config = experiment.model_config
    path = given or config.pretrained_model_file
    if config.load_graph and not path:
        raise UserError(
            "load_graph is set, but there is no model to load",
            where=config.where("load_graph"),
            remedy="Name one as pretrained_model_file, or on the command line.",
        )
    if config.freeze_blocks and not path:
        raise UserError(
            "blocks are frozen at random weights",
            where=config.where("freeze_blocks"),
            remedy="Give an initial model too (pretrained_model_file), or remove freeze_blocks.",
        )
    if not path:
        return None
    tried = [Path(given)] if given else weight_places(path)
    found = next(filter(Path.is_file, tried), None)
    if found is None:
        raise UserError(
            f"the initial model does not exist (looked for: {', '.join(map(str, tried))})",
            where=None if given else config.where("pretrained_model_file"),
            remedy="load_graph takes a pruned network, which prune_detector.py and tlt-prune write."
            if config.load_graph
            else "fetch_pretrained.py fetches NVIDIA's; without this field training starts at random.",
        )
    return found


def records_for(
    experiment: Message, training: Sequence[PathLike], validation: Sequence[PathLike]
) -> tuple[Records, Records | None]:
    """The indexed records to train and to validate on; None without validation records.

    Raises:
        UserError: as ``index_records``, or validation records are named but hold nothing.
    """
    filled = [path for path in validation if not Path(path).is_file() or Path(path).stat().st_size]
    if validation and not filled:
        raise UserError(
            "the validation fold is empty: its record files hold no picture",
            where=validation[0],
            remedy="Give validation a share (val_split) or a source (fold in the config), or validate on "
            "another fold (validation_fold), or name no validation records.",
        )
    records = index_of(experiment, training)
    held_out = index_of(experiment, filled, needed=False) if filled else None
    log.info(
        "%d pictures with %d objects to train on, %d pictures with %d objects to validate on",
        len(records),
        records.objects,
        len(held_out) if held_out else 0,
        held_out.objects if held_out else 0,
    )
    return records, held_out


def _model(experiment: Message, plan: Plan, initial: Path | None) -> tuple[keras.Model, dict[str, Any]]:
    """The network to train, and where its first weights are from, for the provenance."""
    config = experiment.model_config
    file = _file(initial) or {}
    if config.load_graph:
        loaded = load_model(initial, plan.policy)
        model = with_heads(loaded, config, plan.loss.classes, seed=plan.seed)
        return model, {"kind": "graph", **file}
    picture = experiment.augmentation_config.preprocessing
    model = build_model(
        config,
        plan.loss.classes,
        picture.output_image_height,
        picture.output_image_width,
        picture.output_image_channel,
        seed=plan.seed,
        policy=plan.policy,
    )
    if not initial:
        log.info("Initial weights: random, seed %d", plan.seed)
        return model, {"kind": "random", "seed": plan.seed}
    counts = load_by_name(model, initial).outcome.value_counts()
    return model, {"kind": "by name", **file, **{name: int(counts.get(name, 0)) for name in OUTCOMES}}


def _file(path: Path | None) -> dict[str, str] | None:
    return {"file": str(path), "sha256": sha256(path)} if path else None


def _finished(out: Path, plan: Plan) -> bool:
    return all((out / name).is_file() for name in OUTPUTS) and (
        read_json(out / "provenance.json").get("training_identity") == plan.identity
    )


def _write_result(out: Path, experiment: Message, trainer: Trainer, model: keras.Model) -> None:
    save_model(model, out / "model.keras")
    write_hdf5(model, out / "model.hdf5")
    write_csv(out / "history.csv", pd.DataFrame(trainer.state.history))
    write_text(out / "spec.cfg", experiment.to_text())


def _write_provenance(
    out: Path,
    plan: Plan,
    trainer: Trainer,
    records: Records,
    held_out: Records | None,
    origins: dict[str, Any],
    noted: Sequence[Finding],
    threads: int,
) -> None:
    state, clock = trainer.state, trainer.clock
    epoch = state.best_epoch or state.step // plan.steps_per_epoch
    write_json(
        out / "provenance.json",
        {
            "training_identity": plan.identity,
            "seed": plan.seed,
            "spec_sha256": sha256(out / "spec.cfg"),
            "records": {
                "training": _summary(records),
                "validation": _summary(held_out) if held_out else None,
            },
            **origins,
            "preflight": [asdict(one) for one in noted],
            "model_sha256": sha256(out / "model.keras"),
            "weights": {
                "chosen": "best validation mAP" if state.best_epoch else "last",
                "epoch": epoch,
                "mAP": state.best_score[0] if state.best_score else None,
            },
            "steps": state.step,
            "hours": round(state.seconds / 3600, 4),
            "cpu_seconds": round(state.cpu_seconds, 1),
            "pictures_per_second": round(clock.pictures_per_second, 2) if clock.steps else None,
            "threads": threads,
            "policy": plan.policy,
            "versions": versions(),
            "git_commit": _git_commit(),
            "command": sys.argv,
            "finished": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        },
    )
    log.info("Written %s: the weights of epoch %d", out / "model.keras", epoch)


def _summary(records: Records) -> dict[str, Any]:
    return {
        "pictures": len(records),
        "objects": records.objects,
        "unmapped_objects": dict(records.unmapped),
        "sha256": records.digest,
    }


def _git_commit() -> str | None:
    """The commit of this code, with ``-dirty`` where it was changed; None outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
