"""Sources for the tests: KITTI folders with pictures, and resized manifests without any."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pandas as pd
from PIL import Image

from detectnet.data import kitti, manifest


def scene(seed, width=320, height=240):
    """A smooth random picture, uint8 RGB: scenes of different seeds look nothing alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def phash(rgb):
    return str(imagehash.phash(Image.fromarray(np.ascontiguousarray(rgb))))


def kitti_source(folder, pictures, source="src"):
    """Write a KITTI source. ``pictures``: file name -> (rgb, boxes, group)."""
    folder = Path(folder)
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    rows = []
    for name, (rgb, boxes, group) in pictures.items():
        path = folder / "images" / name
        Image.fromarray(np.ascontiguousarray(rgb)).save(path, quality=95)
        label = folder / "labels" / f"{path.stem}.txt"
        kitti.write_labels(label, [kitti.Label("plate", box=box) for box in boxes])
        rows.append(
            {
                "image": f"images/{name}",
                "label": f"labels/{label.name}",
                "width": rgb.shape[1],
                "height": rgb.shape[0],
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "phash": phash(rgb),
                "group": group,
                "source": source,
                "boxes": len(boxes),
            }
        )
    manifest.write(folder / "manifest.csv", pd.DataFrame(rows))
    return folder / "manifest.csv"


def resized_manifest(folder, rows, source="src"):
    """Write a resized manifest and its mirrored.csv. ``rows``: stem -> (phash, mirrored hash, group)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(
        {
            "image": [f"images/{stem}.jpg" for stem in rows],
            "label": [f"labels/{stem}.txt" for stem in rows],
            "width": 640,
            "height": 640,
            "sha256": [hashlib.sha256(f"{source}/{stem}".encode()).hexdigest() for stem in rows],
            "phash": [f"{plain:016x}" for plain, _, _ in rows.values()],
            "group": [group for _, _, group in rows.values()],
            "source": source,
            "boxes": 1,
        }
    )
    manifest.write(folder / "manifest.csv", frame)
    turned = [f"{mirrored:016x}" for _, mirrored, _ in rows.values()]
    pd.DataFrame({"image": frame["image"], "phash": turned}).to_csv(folder / "mirrored.csv", index=False)
    return folder / "manifest.csv"


def far_hashes(count, seed=0):
    """``count`` pairs of a hash and a mirrored hash, all of them further than 20 bits from each other."""
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    while len(chosen) < 2 * count:
        value = int(rng.integers(0, 2**64, dtype=np.uint64))
        if all((value ^ other).bit_count() > 16 for other in chosen[-400:]):
            chosen.append(value)
    return list(zip(chosen[::2], chosen[1::2], strict=True))
