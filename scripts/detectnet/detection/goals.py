"""What a threshold is chosen for: the best F1, or a wanted precision or recall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detectnet.errors import UserError

F1, PRECISION, RECALL = "f1", "precision", "recall"
ALLOWED = ("f1", "precision=0.95", "recall=0.9")
FIGURES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "false_alarms_per_image": "false alarms per empty picture",
}
"""What is told of an operating point, and how it is called."""


@dataclass(frozen=True)
class Goal:
    """What is wanted of a detector at its threshold.

    Attributes:
        kind: ``f1``: as high as it gets. ``precision``: the most recall that has it. ``recall``: the most
            precision that has it.
        least: the wanted precision or recall, above 0 to 1; 0 for ``f1``.
    """

    kind: str = F1
    least: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Goal:
        """From ``f1``, ``precision=0.95`` or ``recall=0.9``.

        Raises:
            UserError: it is none of these, or the number is not above 0 and at most 1.
        """
        kind, equals, value = text.partition("=")
        try:
            goal = cls(kind, float(value) if equals else 0.0)
        except ValueError as error:
            raise UserError(f"'{text}' is no goal", where="goal", allowed=ALLOWED) from error
        plain = kind == F1 and not equals
        if not plain and not (kind in (PRECISION, RECALL) and 0 < goal.least <= 1):
            raise UserError(f"'{text}' is no goal", where="goal", allowed=ALLOWED)
        return goal

    def worth(self, hits: np.ndarray, shown: np.ndarray, total: int) -> np.ndarray:
        """How good operating points are, 0..2; one that has what is wanted is above any that has not.

        Where the wanted figure is out of reach, the nearest to it is best.

        Args:
            hits: numbers of hits.
            shown: numbers of hits and false alarms together; nothing shown is precise.
            total: number of ground truths, above 0.
        """
        hits, shown = np.asarray(hits, dtype=np.float64), np.asarray(shown, dtype=np.float64)
        if self.kind == F1:
            return 2 * hits / (shown + total)
        precision = np.divide(hits, shown, out=np.ones_like(hits), where=shown > 0)
        recall = hits / total
        wanted, other = (precision, recall) if self.kind == PRECISION else (recall, precision)
        return np.where(wanted >= self.least, 1 + other, wanted)

    def to_json(self) -> str | dict[str, float]:
        """As the config has it: ``"f1"`` or ``{"precision": 0.95}``."""
        return self.kind if self.kind == F1 else {self.kind: self.least}


def in_words(goal: str | Mapping[str, float]) -> str:
    """A goal as ``to_json`` has it, for sentences: ``the best F1`` or ``a precision of 0.95``."""
    if isinstance(goal, str):
        return "the best F1"
    return " and ".join(f"a {name} of {value:g}" for name, value in goal.items())
