"""What a training says while it runs: status lines, TensorBoard events, and one honest line of progress."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import tensorflow as tf

from detectnet.files import write_text
from detectnet.logs import log

WARM_UP_STEPS = 3  # of every process; they compile, and are left out of all rates
SAY_EVERY = 10.0  # seconds


class Status:
    """The status log of a training: one JSON object a line, as TAO writes it.

    While training runs it is ``running.jsonl``, appended over stops and resumes. Only a finished one takes
    the name ``status.jsonl``, like every other output: Snakemake deletes outputs of an unfinished job.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._final = folder / "running.jsonl", folder / "status.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, step: int) -> None:
        """Begin a log before the first step, or go on with the one of the steps that are done."""
        if not step:
            self.remove_running()
        self.write("STARTED", f"training goes on after step {step}" if step else "training")

    def finish(self) -> None:
        """Write the last line, and the whole log as ``status.jsonl``."""
        self.write("SUCCESS", "training finished")
        write_text(self._final, self._path.read_text(encoding="utf-8"))

    def remove_running(self) -> None:
        """Remove the live log, of a training that is finished or of one that is not gone on with."""
        self._path.unlink(missing_ok=True)

    def write(self, status: str, message: str, **values: Any) -> None:
        """Add a line; status is STARTED, RUNNING, STOPPED, SUCCESS or FAILURE."""
        now = datetime.now()
        line = {
            "date": f"{now:%m/%d/%Y}",
            "time": f"{now:%H:%M:%S}",
            "status": status,
            "verbosity": "ERROR" if status == "FAILURE" else "INFO",
            "message": message,
            **values,
        }
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")


class Events:
    """TensorBoard scalars below a folder."""

    def __init__(self, folder: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the numbers of one step."""
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writer.flush()


@dataclass
class Clock:
    """Rates of this process without its warm-up, for pictures of one size, and an ETA.

    Attributes:
        batch: pictures per step.
        steps, seconds, wait: timed steps, their wall time, and the part of it spent waiting for data.
        work: what one of these steps costs, in steps of the network's full size.
    """

    batch: int
    steps: int = 0
    seconds: float = 0.0
    wait: float = 0.0
    work: float = 1.0
    _seen: int = 0
    _before: float | None = None
    _said: float = field(default_factory=time.monotonic)

    def add(self, seconds: float, wait: float) -> None:
        """Count one step; ``wait`` is part of ``seconds``."""
        self._seen += 1
        if self._seen > WARM_UP_STEPS:
            self.steps, self.seconds, self.wait = self.steps + 1, self.seconds + seconds, self.wait + wait

    def restart(self, work: float) -> None:
        """Begin again for steps that cost ``work``; the rate so far serves the ETA until they are timed."""
        self._before = self._pace()
        self.steps, self.seconds, self.wait, self._seen = 0, 0.0, 0.0, 0
        self.work = work

    @property
    def pictures_per_second(self) -> float:
        """Training pictures per second, 0 before anything was timed."""
        return self.steps * self.batch / self.seconds if self.seconds else 0.0

    @property
    def wait_share(self) -> float:
        """Share of the time that was spent waiting for data, 0..1."""
        return self.wait / self.seconds if self.seconds else 0.0

    def eta(self, work_left: float) -> str:
        """Time to the end as H:MM:SS, ``?`` before anything was timed; validation is not counted.

        Args:
            work_left: in steps of the network's full size.
        """
        pace = self._pace()
        return "?" if pace is None else str(timedelta(seconds=round(work_left * pace)))

    def _pace(self) -> float | None:
        """Seconds for a step of the network's full size."""
        return self.seconds / (self.steps * self.work) if self.steps else self._before

    def due(self) -> bool:
        """Whether it is time to say something again."""
        now = time.monotonic()
        if now - self._said < SAY_EVERY:
            return False
        self._said = now
        return True


def say_progress(
    clock: Clock, steps: str, epoch: str, work_left: float, losses: Mapping[str, float], rate: float
) -> None:
    """The line of a running training; ``steps`` and ``epoch`` are done and total."""
    parts = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
    log.info(
        "epoch %s  step %s  eta %s  %s  lr %.3g  %.1f pictures/s  waiting for data %.0f %%",
        epoch,
        steps,
        clock.eta(work_left),
        parts,
        rate,
        clock.pictures_per_second,
        100 * clock.wait_share,
    )
