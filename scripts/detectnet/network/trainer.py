"""The training loop: steps, epochs, validation, checkpoints, and stopping when asked to."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from detectnet.errors import UserError
from detectnet.logs import log
from detectnet.network.checkpoints import Checkpoints, State
from detectnet.network.inputs import InputSettings, training_feed
from detectnet.network.loss import OBJECTIVES, renewed_weights
from detectnet.network.plan import Plan
from detectnet.network.records import Records
from detectnet.network.reporting import Clock, Events, Status, say_progress
from detectnet.network.stages import Stage, work_left
from detectnet.network.step import TrainingStep
from detectnet.network.targets import Targets
from detectnet.network.validation import Score, Validator


class Stopper:
    """Turns SIGTERM, SIGINT and SIGUSR1 into a wish that the loop looks at after every step."""

    def __init__(self) -> None:
        self.signal = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen inside the block; a second signal acts as it always does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            one: signal.signal(one, self._wish) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
        }
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _wish(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, signal.SIG_DFL)
        log.info("%s: stopping after this step", signal.Signals(number).name)


class Trainer:
    """Trains a model to the end of its plan, from wherever its checkpoints are.

    Attributes:
        state: where the training is.
        clock: rates of this process.
    """

    def __init__(
        self,
        plan: Plan,
        step: TrainingStep,
        inputs: InputSettings,
        records: Records,
        validator: Validator | None,
        checkpoints: Checkpoints,
    ) -> None:
        self._plan, self._step, self._inputs, self._records = plan, step, inputs, records
        self._validator, self._checkpoints = validator, checkpoints
        self.state = State(objective_weights=[list(pair) for pair in plan.loss.initial_weight])
        self.clock = Clock(plan.batch)
        self._saved, self._cpu = time.monotonic(), time.process_time()
        self._clear_epoch()

    def restore(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        found = self._checkpoints.restore()
        if found:
            arrays, self.state = found
            self._assign(arrays, self._variables())
            log.info("Going on after step %d of %d", self.state.step, self._plan.total_steps)

    def take_result(self) -> None:
        """Give the model the weights to keep: the best ones if it was ever validated with ground truth, else
        the last ones; averaged where the plan says so.

        Raises:
            UserError: they cannot be read any more.
        """
        if self.state.best_epoch:
            arrays, best = self._checkpoints.restore_best(self.state)
            self._assign(arrays, self._weights())
            # another epoch's only where a training that was cut off did not come out the same again
            self.state.best_epoch, self.state.best_score = best.best_epoch, best.best_score
        elif self._step.average:
            self._step.average.apply()

    def run(self, status: Status, events: Events) -> None:
        """Train to the end.

        Raises:
            UserError: the loss is not finite.
            SystemExit: a signal asked to stop; a checkpoint was written.
        """
        plan, stopper = self._plan, Stopper()
        with stopper.listening():
            batches, started = self._batches(), time.monotonic()
            while not self._done():
                pictures, targets = next(batches)
                wait = time.monotonic() - started
                self._one(pictures, targets)
                now = time.monotonic()
                self._count(now - started, wait)
                started = now
                if self.state.step % plan.steps_per_epoch == 0:
                    self._end_epoch(status, events)
                    started = time.monotonic()
                self._checkpoint_if_due(stopper)

    def _batches(self) -> Iterator[tuple[tf.Tensor, Targets]]:
        for stage in self._plan.stages:
            steps = range(max(self.state.step, stage.start), stage.end)
            if steps:
                self.clock.restart(stage.work)
                yield from training_feed(
                    self._records,
                    self._inputs_of(stage),
                    seed=self._plan.seed,
                    batch=self._plan.batch,
                    steps=steps,
                )

    def _inputs_of(self, stage: Stage) -> InputSettings:
        if len(self._plan.stages) > 1:
            log.info("Pictures of %d x %d up to step %d", stage.width, stage.height, stage.end)
        whole = self._inputs.targets
        if (stage.width, stage.height) == (whole.width, whole.height):
            return self._inputs
        return self._inputs.window(stage.width, stage.height)

    def _one(self, pictures: tf.Tensor, targets: Targets) -> None:
        state, plan = self.state, self._plan
        rate = plan.schedule.rate(state.step, plan.total_steps, state.patience)
        weights = tf.constant(state.objective_weights, tf.float32)
        result = self._step(pictures, targets, rate, weights)
        losses, costs = result.losses.numpy(), result.costs.numpy()
        self._check_finite(losses, costs)
        state.step += 1
        state.loss_sums = (np.array(state.loss_sums) + losses).tolist()
        state.cost_sums = (np.array(state.cost_sums) + costs).tolist()
        if self.clock.due():
            steps = f"{state.step}/{plan.total_steps}"
            say_progress(self.clock, steps, self._epoch_text(), self._work_left(), self._means(), rate)

    def _check_finite(self, losses: np.ndarray, costs: np.ndarray) -> None:
        values = {**dict(zip(self._step.losses, losses, strict=True)), **self._by_name("cost", costs)}
        bad = {name: value for name, value in values.items() if not np.isfinite(value)}
        if bad:
            raise UserError(
                f"the loss is not finite at step {self.state.step}: "
                + ", ".join(f"{name} = {value}" for name, value in bad.items()),
                where="training",
                remedy="Lower max_learning_rate, or lengthen soft_start. The last checkpoint is from before.",
            )

    def _count(self, seconds: float, wait: float) -> None:
        self.clock.add(seconds, wait)
        self.state.seconds += seconds
        self.state.epoch_seconds += seconds
        self.state.wait_seconds += wait

    def _end_epoch(self, status: Status, events: Events) -> None:
        state, plan = self.state, self._plan
        epoch = state.step // plan.steps_per_epoch
        score = self._validate(epoch)
        row = self._row(epoch, score)
        state.history.append(row)
        state.objective_weights = renewed_weights(
            np.array(state.objective_weights), np.array(state.cost_sums), plan.loss
        ).tolist()
        self._clear_epoch()
        numbers = {name: value for name, value in row.items() if value is not None}
        events.write(state.step, numbers)
        status.write(
            "RUNNING",
            f"epoch {epoch} of {plan.epochs}",
            epoch=epoch,
            max_epoch=plan.epochs,
            eta=self.clock.eta(self._work_left()),
            time_per_epoch=row["seconds"],
            loss=row["loss"],
            learning_rate=row["learning_rate"],
            kpi={name: row[name] for name in row if name.startswith(("mAP", "AP_", "validation_"))},
        )
        self._say_epoch(row)
        if epoch % plan.checkpoint_epochs == 0 or self._done():
            self._save()

    def _done(self) -> bool:
        return self.state.step >= self._plan.total_steps or self.state.patience.stopped

    def _work_left(self) -> float:
        return work_left(self._plan.stages, self.state.step)

    def _validate(self, epoch: int) -> Score | None:
        if self._validator is None or not self._plan.validates(epoch):
            return None
        with self._step.average.applied() if self._step.average else nullcontext():
            return self._validated(epoch)

    def _validated(self, epoch: int) -> Score:
        score = self._validator.run(np.array(self.state.objective_weights), epoch)
        self._judge(epoch, score.loss)
        if self._done():
            self._validator.explain()
        if score.map is not None:
            reached = [score.map, -score.loss]
            if self.state.best_score is None or reached > self.state.best_score:
                self.state.best_score, self.state.best_epoch = reached, epoch
                self._checkpoints.save_best(self._arrays(self._weights()), self.state)
        return score

    def _judge(self, epoch: int, cost: float) -> None:
        """Let the schedule decide whether to begin the annealing, or to stop."""
        state, before = self.state, self.state.patience
        state.patience = after = self._plan.schedule.validated(before, state.step, epoch, cost)
        if after.stopped:
            log.info("Stopping after epoch %d: no better validation cost since %d", epoch, after.best_epoch)
        elif after.annealing_step != before.annealing_step:
            log.info("No better validation cost since epoch %d: annealing begins", before.best_epoch)

    def _row(self, epoch: int, score: Score | None) -> dict[str, Any]:
        state, plan = self.state, self._plan
        classes = plan.loss.classes
        costs = np.array(state.cost_sums) / plan.steps_per_epoch
        return {
            "epoch": epoch,
            "step": state.step,
            "learning_rate": plan.schedule.rate(state.step - 1, plan.total_steps, state.patience),
            **self._means(),
            **self._by_name("cost", costs),
            **self._by_name("weight", np.array(state.objective_weights)),
            "validation_loss": score.loss if score else None,
            "mAP": score.map if score else None,
            **{f"AP_{name}": score.ap[name] if score else None for name in classes},
            "seconds": round(state.epoch_seconds, 3),
            "data_wait": round(state.wait_seconds / max(state.epoch_seconds, 1e-9), 4),
            "pictures_per_second": round(self.clock.pictures_per_second, 2),
        }

    def _say_epoch(self, row: dict[str, Any]) -> None:
        scored = "" if row["mAP"] is None else f"  mAP {row['mAP']:.4f}"
        log.info(
            "epoch %d/%d done in %.0f s: loss %.5g%s  eta %s  %.1f pictures/s  waiting for data %.1f %%",
            row["epoch"],
            self._plan.epochs,
            row["seconds"],
            row["loss"],
            scored,
            self.clock.eta(self._work_left()),
            row["pictures_per_second"],
            100 * row["data_wait"],
        )

    def _checkpoint_if_due(self, stopper: Stopper) -> None:
        every = self._plan.checkpoint_seconds
        if stopper.signal or (every and time.monotonic() - self._saved >= every):
            self._save()
        if stopper.signal and not self._done():
            log.info("Stopped after step %d; the same command goes on from here", self.state.step)
            raise SystemExit(128 + stopper.signal)

    def _save(self) -> None:
        self._count_cpu()
        self._checkpoints.save(self._arrays(self._variables()), self.state)
        self._saved = time.monotonic()

    def _count_cpu(self) -> None:
        now = time.process_time()
        self.state.cpu_seconds += now - self._cpu
        self._cpu = now

    def _weights(self) -> list[keras.Variable]:
        return self._step.model.weights

    def _variables(self) -> list[keras.Variable]:
        average = self._step.average
        return [*self._weights(), *self._step.optimizer.variables, *(average.variables if average else ())]

    @staticmethod
    def _arrays(variables: list[keras.Variable]) -> dict[str, np.ndarray]:
        return {f"{number:05d}": variable.numpy() for number, variable in enumerate(variables)}

    @staticmethod
    def _assign(arrays: dict[str, np.ndarray], variables: list[keras.Variable]) -> None:
        for number, variable in enumerate(variables):
            variable.assign(arrays[f"{number:05d}"])

    def _clear_epoch(self) -> None:
        state = self.state
        state.cost_sums = [[0.0, 0.0] for _ in state.objective_weights]
        state.loss_sums = [0.0] * len(self._step.losses)
        state.epoch_seconds = state.wait_seconds = 0.0

    def _means(self) -> dict[str, float]:
        done = (self.state.step - 1) % self._plan.steps_per_epoch + 1
        sums = zip(self._step.losses, self.state.loss_sums, strict=True)
        return {name: value / done for name, value in sums}

    def _by_name(self, what: str, values: np.ndarray) -> dict[str, float]:
        classes = self._plan.loss.classes
        return {
            f"{what}_{name}_{objective}": float(values[row, column])
            for row, name in enumerate(classes)
            for column, objective in enumerate(OBJECTIVES)
        }

    def _epoch_text(self) -> str:
        epoch = (self.state.step - 1) // self._plan.steps_per_epoch + 1
        return f"{epoch}/{self._plan.epochs}"
