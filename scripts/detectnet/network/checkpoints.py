"""Checkpoints that are whole or not there: one file each, renamed into place when it is complete."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import socket
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detectnet.errors import UserError
from detectnet.files import atomic_path
from detectnet.logs import log
from detectnet.network.schedule import Patience

KEPT = 2
BEST = "best"
_NAME = re.compile(r"step-(\d{9})\.npz$")
_STATE = "state.json"
_LOCK = "lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # some network file systems have none


@contextmanager
def only_trainer(folder: Path) -> Iterator[None]:
    """Hold a folder of checkpoints for this process; the kernel lets go of it however the process ends.

    Raises:
        UserError: another process trains there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            raise UserError(
                f"another training is still running in this folder ({handle.read().strip()})",
                where=folder.parent,
                remedy="Wait for it, or stop it (SIGTERM lets it write a checkpoint first), and start again: "
                "this training goes on from its last checkpoint.",
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log.warning("%s cannot be locked (%s): start no second training there", folder, error)
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        handle.flush()
        yield


@dataclass
class State:
    """Everything about a training that is not a tensor of the network or the optimizer.

    Attributes:
        step: steps done.
        objective_weights: (C, 2) in use.
        cost_sums: (C, 2) sums of the mini-batch costs of the running epoch.
        loss_sums: sums over the running epoch's steps of total, task and regularisation loss.
        best_score: (mAP, minus validation loss) of the best weights so far, or None.
        best_epoch: when they were reached, 1-based; 0 for never.
        patience: what the schedule knows of the validations.
        history: one row per finished epoch.
        seconds: wall time spent training, over all resumed runs.
        cpu_seconds: time of all processors spent by the process, validation and input included, likewise.
        epoch_seconds, wait_seconds: of the running epoch; the second is spent waiting for data.
    """

    step: int = 0
    objective_weights: list[list[float]] = field(default_factory=list)
    cost_sums: list[list[float]] = field(default_factory=list)
    loss_sums: list[float] = field(default_factory=list)
    best_score: list[float] | None = None
    best_epoch: int = 0
    patience: Patience = field(default_factory=Patience)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    epoch_seconds: float = 0.0
    wait_seconds: float = 0.0


class Checkpoints:
    """The checkpoints of one training, in a folder of its own.

    A folder per training hash keeps different trainings apart: a changed spec starts afresh, and the
    old one is gone on with when it comes back.
    """

    def __init__(self, folder: Path, training_hash: str) -> None:
        self.folder = folder / training_hash[:16]
        others = sorted({one.parent.name for one in folder.glob("*/*.npz")} - {self.folder.name})
        if others and not self._steps():
            log.info(
                "Starting afresh: the checkpoints in %s belong to another spec, other records, another "
                "initial model or changed code (%s). They are left where they are.",
                folder,
                ", ".join(others),
            )

    def clear(self) -> None:
        """Remove the checkpoints of this training, those of others stay."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)

    def save(self, arrays: Mapping[str, np.ndarray], state: State) -> None:
        """Write the checkpoint of ``state.step``; keep the one before it as well, and no other.

        Later ones were of no use, or the training would have gone on from them.
        """
        self._write(f"step-{state.step:09d}", arrays, state)
        steps = self._steps()
        for step in {*steps}.difference([one for one in steps if one <= state.step][-KEPT:]):
            self._path(f"step-{step:09d}").unlink(missing_ok=True)

    def save_best(self, arrays: Mapping[str, np.ndarray], state: State) -> None:
        """Keep these weights as the best."""
        self._write(BEST, arrays, state)

    def restore(self) -> tuple[dict[str, np.ndarray], State] | None:
        """The newest checkpoint that can be read together with the best weights that it knows of, or None."""
        best = self._best_epoch()
        for step in reversed(self._steps()):
            found = self._read(f"step-{step:09d}")
            if found and found[1].best_epoch <= best:
                return found
            if found:
                log.warning(
                    "The best weights, of epoch %d, are lost: the training goes back to before them",
                    found[1].best_epoch,
                )
        return None

    def restore_best(self, state: State) -> tuple[dict[str, np.ndarray], State]:
        """The best weights of the training in this state, and its state when they were reached.

        Raises:
            UserError: they are damaged or gone.
        """
        found = self._read(BEST)
        if found is None or found[1].best_epoch < state.best_epoch:
            raise UserError(
                f"the best weights, of epoch {state.best_epoch}, are damaged or gone",
                where=self._path(BEST),
                remedy="Start again: the training goes back to before they were reached.",
            )
        return found

    def _best_epoch(self) -> int:
        """Of the best weights there are, 0 for none."""
        found = self._read(BEST) if self._path(BEST).exists() else None
        return found[1].best_epoch if found else 0

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _steps(self) -> list[int]:
        found = (_NAME.match(path.name) for path in self.folder.glob("step-*.npz"))
        return sorted(int(match[1]) for match in found if match)

    def _write(self, name: str, arrays: Mapping[str, np.ndarray], state: State) -> None:
        with atomic_path(self._path(name)) as temporary, temporary.open("wb") as handle:
            content = json.dumps(asdict(state)).encode()
            np.savez(handle, **{_STATE: np.frombuffer(content, np.uint8)}, **arrays)
            handle.flush()
            os.fsync(handle.fileno())  # the name must not arrive on the disk before the content

    def _read(self, name: str) -> tuple[dict[str, np.ndarray], State] | None:
        path = self._path(name)
        try:
            with np.load(path) as stored:
                arrays = {key: stored[key] for key in stored.files}
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("%s cannot be read (%s)", path, error)
            return None
        values = json.loads(arrays.pop(_STATE).tobytes())
        return arrays, State(**{**values, "patience": Patience(**values["patience"])})
