"""What a viewer of DeepStream sees: its rows of metrics.json, and the thresholds that are chosen for it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectnet.contract import Contract
from detectnet.detection.choosing import ALL, AXES, Bench, Choice
from detectnet.detection.collecting import HEADLINE_IOU
from detectnet.detection.deepstream_views import (
    CLUSTERING,
    LEAST_COVERAGE,
    Camera,
    Decoded,
    View,
    detected,
    look,
)
from detectnet.detection.goals import Goal
from detectnet.detection.operating import POINT
from detectnet.detection.resampling import interval
from detectnet.detection.scoring import Picture, Rule, rows, score
from detectnet.detection.settings import CLUSTER_MODES, DeepStreamClustering, DeepStreamSettings
from detectnet.errors import UserError
from detectnet.logs import log

AUTO = "auto"
NAMES = ("clustering", "mode", "scaling", "frame")
"""What a row of DeepStream is called by."""
CHOICES = (AUTO, *(str(number) for name, number in CLUSTER_MODES.items() if name in AXES))
"""What may be asked for as cluster-mode; group-rectangles has no confidence that could be cut."""


@dataclass(frozen=True)
class DeepStream:
    """How DeepStream is evaluated.

    Attributes:
        camera: shows the pictures to the network; its first view is the deployed one.
        goal: what thresholds are chosen for, where the contract has none.
        cluster_mode: ``auto``, or the number of the only mode that is tried; one of ``CHOICES``.

    Raises:
        UserError: there is no such mode.
    """

    camera: Camera
    goal: Goal = field(default_factory=Goal)
    cluster_mode: str = AUTO

    def __post_init__(self) -> None:
        if self.cluster_mode not in CHOICES:
            raise UserError(f"cluster_mode is {self.cluster_mode}", where="deepstream", allowed=CHOICES)

    @property
    def modes(self) -> tuple[str, ...]:
        """Names of the modes that are tried."""
        return tuple(name for name in AXES if self.cluster_mode in (AUTO, str(CLUSTER_MODES[name])))


@dataclass(frozen=True)
class Truth:
    """What DeepStream adds to metrics.json.

    Attributes:
        rows: of ``results``; each says ``mode``, ``scaling`` and ``frame``, see ``View``.
        top: the row of the deployed mode and view at IoU 0.5.
        deployed: what that row is, with the figures of all pictures at the chosen thresholds.
        summary: the key ``deepstream``, see ``evaluate_deepstream``.
    """

    rows: list[dict[str, Any]]
    top: dict[str, Any]
    deployed: dict[str, Any]
    summary: dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """What detections are held against.

    Attributes:
        overlaps: IoU of a hit, one row each; 0.5 among them.
        neutral: narrower ground truth is neither hit nor missed, px.
        edges: of the bins of AP by width, px.
    """

    overlaps: tuple[float, ...]
    neutral: float
    edges: tuple[float, ...]


def evaluate_deepstream(
    pictures: Sequence[Picture], contract: Contract, half: np.ndarray, scale: Scale, how: DeepStream
) -> Truth:
    """Rows and thresholds of DeepStream's own preprocessing, decoding and clustering.

    Where the contract has settings (``Contract.deepstream``) these are measured. Else they are chosen: on
    each half of the pictures, to be measured on the other, and on all pictures, which are the ones to deploy:
    twice the pictures choose better than either half, and nothing is left to measure them on, so the figures
    of the halves stand for them.

    A row's average precision looks at every confidence from ``LEAST_COVERAGE`` on: the thresholds of
    confidence and ``topk`` cut nothing there.

    The summary has ``goal`` (None where nothing was chosen), ``mode``, ``classes`` (as in the contract),
    ``halves`` (each with what was ``chosen`` on it, and the figures of the other half), ``expected`` (the
    figures of both halves together), ``modes`` (the best settings of every mode and their figures on the
    pictures that chose them), and ``measured``: the figures of all pictures at ``classes``, in every view.
    Figures: see ``Bench.figures``.

    Args:
        pictures: of the validation, with ground truth.
        contract: of the network.
        half: 0 or 1 (P,), of each picture.
        scale: what detections are held against.
        how: camera and goal.

    Raises:
        UserError: the contract's settings cannot be used, or the camera fails.
    """
    sealed = _sealed(contract)
    views = look(pictures, how.camera, contract)
    benches = {
        view: Bench(pictures, decoded, contract.classes, scale.neutral) for view, decoded in views.items()
    }
    if sealed is None:
        choices, summary = _chosen(benches[how.camera.views[0]], half, how)
    else:
        choices, summary = [sealed], _summary(None, sealed)
    summary["measured"] = [
        {**vars(view), **bench.figures(bench.shown(choices[0]))} for view, bench in benches.items()
    ]
    made = [
        row
        for view, decoded in views.items()
        for choice in choices
        for row in _rows(pictures, decoded, choice, view, scale)
    ]
    top = next(row for row in made if row["iou"] == HEADLINE_IOU)
    _say(summary)
    return Truth(made, top, _deployed(top, choices[0], summary["measured"][0]), summary)


def _sealed(contract: Contract) -> Choice | None:
    """What was chosen before the network was exported; None where nothing was."""
    if not contract.deepstream:
        return None
    missing = [name for name in contract.classes if name not in contract.deepstream]
    if missing:
        raise UserError(f"nothing is said of the class '{missing[0]}'", where="contract.json deepstream")
    known = {name: DeepStreamClustering.from_dict(contract.deepstream[name]) for name in contract.classes}
    modes = sorted({one.mode for one in known.values()})
    if len(modes) > 1:
        raise UserError(
            f"the classes have different modes: {', '.join(modes)}",
            where="contract.json deepstream",
            remedy="nvinfer has one cluster-mode for all classes.",
        )
    return Choice(modes[0], {name: one.settings for name, one in known.items()}, 0.0)


def _chosen(bench: Bench, half: np.ndarray, how: DeepStream) -> tuple[list[Choice], dict[str, Any]]:
    """What every mode is best with on all pictures, the deployed one first; and the summary of it."""
    every = np.full(len(half), True)
    best = bench.choose(every, how.goal, how.modes)
    choices = [best, *(bench.choose_in(mode, every, how.goal) for mode in how.modes if mode != best.mode)]
    summary = _summary(how.goal, best)
    summary["modes"] = {
        one.mode: {"classes": one.to_json(), **bench.figures(bench.shown(one))} for one in choices
    }
    of_halves = [bench.choose(half == which, how.goal, how.modes) for which in (0, 1)]
    shown = [bench.shown(one) for one in of_halves]
    summary["halves"] = [
        {
            "chosen": {"mode": one.mode, "classes": one.to_json()},
            **bench.figures(list(itertools.compress(shown[which], half != which))),
        }
        for which, one in enumerate(of_halves)
    ]
    across = [shown[1 - which][index] for index, which in enumerate(half.tolist())]
    summary["expected"] = bench.figures(across)
    return choices, summary


def _summary(goal: Goal | None, choice: Choice) -> dict[str, Any]:
    return {
        "goal": None if goal is None else goal.to_json(),
        "mode": choice.mode,
        "classes": choice.to_json(),
        "modes": {},
        "halves": [],
        "expected": None,
    }


def _rows(
    pictures: Sequence[Picture],
    decoded: Sequence[Decoded],
    choice: Choice,
    view: View,
    scale: Scale,
) -> Iterator[dict[str, Any]]:
    """One row for each overlap, of one choice in one view."""
    classes = tuple(choice.settings)
    shown = detected(pictures, decoded, _opened(choice), choice.mode)
    for iou in scale.overlaps:
        rule = Rule(CLUSTERING, ("correct",), dict.fromkeys(classes, iou), scale.neutral)
        (row,) = rows(shown, classes, rule, scale.edges)
        precise = interval([score(shown, name, rule) for name in classes])
        yield {**row, "mode": choice.mode, **vars(view), "mAP_interval": precise}


def _opened(choice: Choice) -> dict[str, DeepStreamSettings]:
    """The settings without what cuts by confidence."""
    cuts = {"pre_cluster_threshold": LEAST_COVERAGE, "post_cluster_threshold": 0.0, "dbscan_min_score": 0.0}
    return {name: dataclasses.replace(one, topk=ALL, **cuts) for name, one in choice.settings.items()}


def _deployed(row: Mapping[str, Any], choice: Choice, measured: Mapping[str, Any]) -> dict[str, Any]:
    """The row's names with the figures at the chosen thresholds; ``threshold`` is the class's that cuts."""
    named = {name: row[name] for name in (*NAMES, "ap", "iou")}
    thresholds = {name: _threshold(one) for name, one in choice.settings.items()}
    only = set(thresholds.values())
    return {
        **named,
        "threshold": only.pop() if len(only) == 1 else thresholds,
        **{name: measured[name] for name in POINT},
    }


def _threshold(settings: DeepStreamSettings) -> float:
    """The confidence from which on detections are shown."""
    return max(settings.pre_cluster_threshold, settings.post_cluster_threshold)


def _say(summary: Mapping[str, Any]) -> None:
    """Mode, settings and the figures that they stand for, on the screen."""
    figures = summary["expected"] or summary["measured"][0]
    numbers = ", ".join(
        f"{name.replace('_', ' ')} {'-' if figures[name] is None else format(figures[name], '.4f')}"
        for name in POINT
    )
    kind = "measured with the contract's settings" if summary["goal"] is None else "chosen on other pictures"
    log.info("DeepStream, %s (%s): %s; %s", summary["mode"], kind, numbers, summary["classes"])
