"""The audit of the labels: ``audit.csv``, and a page that shows the surest suspicions of each kind."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from detectnet.data import corrections, duplicates, manifest, pictures
from detectnet.data.folds import read_split
from detectnet.data.letterbox import Letterbox, letterbox_geometry
from detectnet.data.resizing import read_mirrored
from detectnet.detection import draw
from detectnet.detection.audit import CORNERS, FOUND_CORNERS, KINDS, Key, Twins, audit, offsets
from detectnet.detection.scoring import Picture
from detectnet.files import PathLike, write_csv, write_text
from detectnet.logs import log, progress
from detectnet.report.gallery import data_uri

if TYPE_CHECKING:
    from detectnet.spec import Message

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = (320, 240)
"""Width and height of a picture on the page, pixels."""
CONTEXT = 4.0
"""The width of what is shown, in widths of what is suspected."""
FEWEST = 24.0
"""The least width of what is shown, in pixels of the picture: with fewer there is nothing to recognise."""
COLOURS = {"label": draw.OUTCOME_COLOURS["hit"], "detection": draw.OUTCOME_COLOURS["false"]}
# What a reviewer would write into the corrections, were the detector right.
_PROPOSED = {
    "missed": "add",
    "loose": "move",
    "shifted": "move",
    "spurious": "remove",
    "duplicate": "add",
    "tiny": "remove",
}


@dataclass(frozen=True)
class Original:
    """A picture before it was resized: its name in the manifest, its file, where it lies in the input."""

    image: str
    file: Path
    phash: str
    mirrored: str
    geometry: Letterbox


def write_audit(
    model: PathLike,
    shards: Sequence[PathLike],
    experiment: Message,
    *,
    data: Path,
    split_csv: PathLike,
    out_dir: PathLike,
    shown: int = 12,
    threads: int = 2,
) -> pd.DataFrame:
    """Let a detector look at all labels; write ``audit.csv`` and ``audit.html``.

    Args:
        model: ``.onnx`` or ``.keras``.
        shards: record files of all folds.
        experiment: the spec of the training.
        data: folder with ``kitti/`` and ``resized/``.
        split_csv: the split.
        out_dir: folder for the two files.
        shown: findings of each kind and source on the page.
        threads: of the network.

    Returns:
        the table, as `detectnet.detection.audit.audit` describes it, ``image`` as the manifests of the KITTI
        stage have it.

    Raises:
        UserError: as ``look_at`` raises, or a manifest is missing.
    """
    from detectnet.deploy.auditing import look_at

    seen, ignored = look_at(model, shards, experiment, threads=threads)
    return write_findings(seen, ignored, data=data, split_csv=split_csv, out_dir=out_dir, shown=shown)


def write_findings(
    seen: Sequence[Picture],
    ignored: Mapping[Key, np.ndarray],
    *,
    data: Path,
    split_csv: PathLike,
    out_dir: PathLike,
    shown: int = 12,
) -> pd.DataFrame:
    """The second half of `write_audit`, as there; ``seen`` and ``ignored`` are what ``look_at`` returns."""
    split = read_split(split_csv)
    folds = {
        (source, Path(image).with_suffix("").as_posix()): fold
        for source, image, fold in zip(split["source"], split["image"], split["fold"], strict=True)
    }
    originals = read_originals(data, sorted({picture.source for picture in seen}))
    used = {(picture.source, picture.frame_id) for picture in seen}
    sizes = {key: (one.geometry.width, one.geometry.height) for key, one in originals.items()}
    found = audit(seen, folds, near_duplicates({key: originals[key] for key in used}), sizes, ignored)
    table = found.assign(image=[originals[key].image for key in _keys(found)])
    digits = {"confidence": 4, "iou": 4, "score": 4} | dict.fromkeys((*CORNERS, *FOUND_CORNERS), 2)
    write_csv(Path(out_dir) / "audit.csv", table.round(digits))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    content = _content(found, seen, originals, shown)
    write_text(Path(out_dir) / "audit.html", environment.get_template("audit.html.j2").render(content))
    log.info("%d suspicions in %d pictures: %s", len(found), len(seen), Path(out_dir) / "audit.html")
    return table


def read_originals(data: Path, sources: Sequence[str]) -> dict[Key, Original]:
    """Every resized picture of some sources, by source and frame_id.

    Raises:
        UserError: a manifest is missing or damaged.
    """
    made: dict[Key, Original] = {}
    for source in sources:
        folder, resized = data / "kitti" / source, data / "resized" / source / "manifest.csv"
        mirrored, rows = read_mirrored(resized), manifest.read(resized)
        by_stem = {Path(row.image).stem: row for row in manifest.read(folder / "manifest.csv").itertuples()}
        for row in rows.itertuples():
            original = by_stem[Path(row.image).stem]
            made[source, Path(row.image).with_suffix("").as_posix()] = Original(
                original.image,
                folder / original.image,
                original.phash,
                mirrored[row.image],
                letterbox_geometry(original.width, original.height, row.width, row.height),
            )
    return made


def near_duplicates(originals: Mapping[Key, Original]) -> list[Twins]:
    """All pairs of pictures whose perceptual hashes are near, as they are or mirrored."""
    keys = sorted(originals)
    pairs = duplicates.near_pairs(
        duplicates.parse(originals[key].phash for key in keys),
        duplicates.parse(originals[key].mirrored for key in keys),
    )
    return [
        Twins(keys[i], keys[j], bool(mirrored), 1 - bits / (duplicates.THRESHOLD + 1))
        for i, j, bits, mirrored in pairs.tolist()
    ]


def _content(
    found: pd.DataFrame, seen: Sequence[Picture], originals: Mapping[Key, Original], shown: int
) -> dict[str, Any]:
    counts = pd.crosstab([found["source"], found["fold"]], found["kind"]).reindex(
        columns=[kind for kind in KINDS if kind in set(found["kind"])]
    )
    first = found.groupby(["kind", "source"], sort=False).head(shown)
    labels = {(picture.source, picture.frame_id): picture.truth for picture in seen}
    rows = progress(first.to_dict("records"), what="drawing", unit="findings")
    shots = [_shot(row, originals[row["source"], row["image"]], labels) for row in rows]
    return {
        "pictures": len(seen),
        "kinds": KINDS,
        "counts": _html(counts.reset_index().rename_axis(columns=None)),
        "offsets": _html(offsets(seen)),
        "findings": {kind: [shot for shot in shots if shot["kind"] == kind] for kind in KINDS},
    }


def _shot(
    row: dict[str, Any], original: Original, labels: Mapping[Key, Mapping[str, np.ndarray]]
) -> dict[str, Any]:
    """A finding as the page shows it."""
    box = _original_box(row, CORNERS, original)
    found = _original_box(row, FOUND_CORNERS, original)
    truth = original.geometry.inverse(labels[row["source"], row["image"]][row["class"]])
    dotted = box if found is None else found
    picture = _cut(pictures.load(original.file), box, truth, dotted if row["kind"] != "tiny" else None)
    return row | {
        "image": original.image,
        "uri": data_uri(picture),
        "row": _proposal(row, original.image, box, found),
    }


def _original_box(row: dict[str, Any], corners: Sequence[str], original: Original) -> np.ndarray | None:
    """A box of the row in pixels of the original picture; None where there is none."""
    box = np.array([row[name] for name in corners], dtype=np.float64)
    return None if np.isnan(box).any() else original.geometry.inverse(box)


def _cut(rgb: np.ndarray, box: np.ndarray, labels: np.ndarray, found: np.ndarray | None) -> np.ndarray:
    """What lies around a box, uint8 (240, 320, 3): labels green, the detection or the place red."""
    width, height = SHOWN
    whole = np.array([rgb.shape[1], rgb.shape[0]])
    across = CONTEXT * max(box[2] - box[0], (box[3] - box[1]) * width / height)
    across = min(max(across, FEWEST), max(whole[0], whole[1] * width / height))
    scale = width / across
    margin = np.minimum(np.array([across, across * height / width]), whole) / 2
    middle = np.clip((box[:2] + box[2:]) / 2, margin, whole - margin)
    shift = np.array([width, height]) / 2 - scale * middle
    moved = cv2.warpAffine(
        rgb,
        np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]),
        SHOWN,
        flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
    )
    offset = np.tile(shift, 2)
    moved = draw.annotate(moved, labels * scale + offset, (), COLOURS["label"], 2)
    if found is None:
        return moved
    return draw.annotate(moved, found[None] * scale + offset, (), COLOURS["detection"], 2)


def _proposal(row: dict[str, Any], image: str, box: np.ndarray, found: np.ndarray | None) -> str:
    """The line of a corrections file that would follow the detector, pixels of the original picture."""
    action = _PROPOSED[row["kind"]]
    line = {"source": row["source"], "image": image, "action": action, "class": row["class"]}
    line |= dict(zip(corrections.CORNERS, (f"{value:.1f}" for value in box), strict=True))
    if action == "move" and found is not None:
        line |= dict(zip(corrections.NEW_CORNERS, (f"{value:.1f}" for value in found), strict=True))
    text = io.StringIO()
    csv.DictWriter(text, corrections.COLUMNS, lineterminator="").writerow(line)
    return text.getvalue()


def _keys(table: pd.DataFrame) -> Iterator[Key]:
    return zip(table["source"], table["image"], strict=True)


def _html(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, float_format="{:.3f}".format)
