"""A raw source to a KITTI folder with a manifest; what is left out is counted and listed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple
from functools import partial
from pathlib import Path

import pandas as pd

from detectnet.data import dropped, manifest
from detectnet.data.dropped import Drop
from detectnet.data.workers import every
from detectnet.errors import UserError, did_you_mean
from detectnet.files import printable
from detectnet.logs import log
from detectnet.sources.adapters import adapter
from detectnet.sources.base import SECOND, Annotated, Found
from detectnet.sources.declaration import NOTE
from detectnet.sources.naming import check_pattern, group_of, unique_stems
from detectnet.sources.standardise import EVERY_CLASS, Job, Outcome, Setting, standardise


def convert(
    declaration: dict, raw_dir: Path, out_dir: Path, workers: int | None = None, source: str | None = None
) -> pd.DataFrame:
    """Convert a raw source to ``out_dir/{images,labels}/``, ``manifest.csv`` and ``dropped.csv``.

    Args:
        declaration: the source's entry in the config: ``adapter``, ``classes`` (class of the source, in any
            case, or "*", to class of the detector), ``options``, ``video_pattern``, ``unlabelled``.
        raw_dir: the fetched files.
        out_dir: its ``images`` and ``labels`` are replaced; the result does not depend on ``workers``.
        workers: processes; None for every core.
        source: name in the manifest; the name of ``out_dir`` where absent.

    Returns:
        the manifest, sorted by picture.

    Raises:
        UserError: ``raw_dir`` does not exist or holds nothing, the declaration is wrong, no picture is left,
            or boxes exist but none of a wanted class.
    """
    source = source or out_dir.name
    _check_raw(raw_dir, source)
    jobs, drops = _jobs(declaration, raw_dir)
    classes = _classes(declaration.get("classes", {}), source)
    keep_unlabelled = declaration.get("unlabelled", "drop") == "negative"
    setting = Setting(source, raw_dir, out_dir, classes, keep_unlabelled)
    _clear(out_dir)
    outcomes = list(every(partial(standardise, setting=setting), jobs, workers=workers, what=source))
    drops += [drop for outcome in outcomes for drop in outcome.drops]
    _write_dropped(out_dir / "dropped.csv", drops)
    rows = [outcome.row for outcome in outcomes if outcome.row]
    _check(source, classes, jobs, rows, out_dir)
    frame = pd.DataFrame(rows, columns=list(manifest.COLUMNS))
    manifest.write(out_dir / "manifest.csv", frame)
    _summary(source, rows, outcomes, drops)
    return manifest.read(out_dir / "manifest.csv")


def _check_raw(raw_dir: Path, source: str) -> None:
    if not raw_dir.is_dir():
        raise UserError(
            "the folder of the raw source does not exist",
            where=raw_dir,
            remedy=f"fetch_source.py --source {source} makes it.",
        )
    if not any(path.is_file() and path.name != NOTE for path in raw_dir.rglob("*")):
        raise UserError(f"the source {source} holds no files", where=raw_dir)


def _classes(mapping: dict, source: str) -> dict[str, str]:
    """Lower-case names of the source to lower-case names of the detector."""
    for target in mapping.values():
        if not target or set(target) & set(" \t\n"):
            raise UserError(
                f"'{target}' cannot be a class: a label file separates its columns by spaces",
                where=f"sources.{source}.classes",
            )
    return {str(name).strip().lower(): target.lower() for name, target in mapping.items()}


def _clear(out_dir: Path) -> None:
    """Remove an earlier result, the manifest first: while it is missing, nothing looks finished."""
    for name in ("manifest.csv", "dropped.csv"):
        (out_dir / name).unlink(missing_ok=True)
    for name in ("images", "labels"):
        shutil.rmtree(out_dir / name, ignore_errors=True)
        (out_dir / name).mkdir(parents=True)


def _jobs(declaration: dict, raw_dir: Path) -> tuple[list[Job], list[Drop]]:
    pattern = declaration.get("video_pattern")
    check_pattern(pattern)
    found: Iterable[Found] = adapter(declaration["adapter"])(raw_dir, declaration.get("options", {}))
    annotated, drops = _sorted(found)
    stems = unique_stems(annotated)
    jobs = [
        Job(annotated[name], stems[name], group_of(name, stems[name], pattern)) for name in sorted(annotated)
    ]
    return jobs, drops


def _sorted(found: Iterable[Found]) -> tuple[dict[str, Annotated], list[Drop]]:
    """What is said about each picture, and what is left out: of two annotations the first one counts.

    A picture that another folder or file merely lists without an annotation is no second annotation.
    """
    annotated: dict[str, Annotated] = {}
    drops: list[Drop] = []
    for one in found:
        if isinstance(one, Drop):
            drops.append(one)
            continue
        known = annotated.setdefault(one.picture, one)
        if not known.labelled:
            annotated[one.picture] = one
        elif known is not one and one.labelled:
            drops.append(Drop(one.annotation, "", SECOND, printable(one.picture)))
    return annotated, drops


def _write_dropped(path: Path, drops: list[Drop]) -> None:
    rows = sorted(drops, key=lambda drop: (drop.file, str(drop.line).zfill(12), drop.reason, drop.detail))
    dropped.write(path, (Drop(*map(printable, astuple(drop))) for drop in rows))


def _check(source: str, classes: dict[str, str], jobs: list[Job], rows: list[dict], out_dir: Path) -> None:
    """Raise where the source gives nothing to learn from, which is a mistake in its declaration."""
    where = f"sources.{source}"
    if not rows:
        raise UserError(
            f"no picture is left of {len(jobs)}" if jobs else "no picture was found",
            where=where,
            remedy=f"{out_dir / 'dropped.csv'} says why; do options.images and options.annotations fit?",
        )
    names = {one.name.lower() for job in jobs for one in job.annotated.objects}
    unseen = [name for name in classes if name != EVERY_CLASS and name not in names]
    if names and set(unseen) == set(classes) != set():
        remedy = did_you_mean(unseen[0], names) or None
        raise UserError(
            "no box is of a wanted class", where=f"{where}.classes", allowed=sorted(names), remedy=remedy
        )
    for name in unseen:
        log.warning("%s: class '%s' never occurs. %s", source, name, did_you_mean(name, names))


def _summary(source: str, rows: list[dict], outcomes: list[Outcome], drops: list[Drop]) -> None:
    boxes = sum(row["boxes"] for row in rows)
    empty = sum(row["boxes"] == 0 for row in rows)
    groups = len({row["group"] for row in rows})
    log.info(
        "%s: %d pictures (%d without a box, %d groups), %d boxes.", source, len(rows), empty, groups, boxes
    )
    for title, counts in (
        ("Kept", sum((outcome.kept for outcome in outcomes), Counter())),
        ("Mended", sum((outcome.mended for outcome in outcomes), Counter())),
        ("Left out (listed in dropped.csv)", Counter(drop.reason for drop in drops)),
    ):
        if counts:
            log.info("  %s: %s.", title, ", ".join(f"{counts[key]} {key}" for key in sorted(counts)))
