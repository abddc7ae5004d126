"""The exact boxes of a scene's plates, and how much of each is visible."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectnet.data.kitti import Label
from detectnet.sources.synthetic.camera import Camera
from detectnet.sources.synthetic.canvas import SCALE
from detectnet.sources.synthetic.painter import Painter
from detectnet.sources.synthetic.scenes import Scene, empty_place, paint
from detectnet.sources.synthetic.vehicles import Mount, Vehicle

CLASS = "plate"
REFERENCE = 640  # widths of plates are given for a picture whose longer side is this
NARROWEST = 6.0  # pixels at the reference size; narrower plates are neither drawn nor labelled
MOST_HIDDEN = 0.6  # share hidden or cut off; beyond it a plate is neither drawn nor labelled


@dataclass(frozen=True)
class Seen:
    """A plate in a picture: box of its visible part (x1, y1, x2, y2 in pixels), shares cut off and hidden."""

    box: tuple[float, float, float, float]
    truncation: float
    hidden: float


def mounts(scene: Scene) -> list[tuple[Vehicle, Mount]]:
    """Every plate of the scene with its vehicle, in order of identity."""
    found = [(vehicle, mount) for vehicle in scene.vehicles for mount in vehicle.mounts]
    return sorted(found, key=lambda pair: pair[1].identity)


def seen_plate(camera: Camera, quad: np.ndarray, identity: int, identities: np.ndarray) -> Seen | None:
    """What is visible of the plate with world corners ``quad``; None when it is not in the picture.

    The box is that of the projected corners, cut at the picture's edge and, where another thing covers
    a side of the plate, at the outermost visible pixel (``identities``, see ``Canvas``).
    """
    pixels, depth = camera.project(quad)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    corner, opposite = (
        np.clip(edge, 0, identities.shape[::-1]).astype(int) for edge in (low * SCALE - 4, high * SCALE + 4)
    )
    mask = identities[corner[1] : opposite[1], corner[0] : opposite[0]] == identity
    if depth.min() < 0.5 or not mask.any():
        return None
    size = np.array([camera.width, camera.height], float)
    inside_low, inside_high = np.clip(low, 0, size), np.clip(high, 0, size)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    seen_low = np.add(corner, (columns[0], rows[0])) / SCALE
    seen_high = np.add(corner, (columns[-1] + 1, rows[-1] + 1)) / SCALE
    slack = 1.0  # a corner cut by less than a pixel is the filling rule's doing, not a thing in the way
    box_low = np.where(seen_low > inside_low + slack, seen_low, inside_low)
    box_high = np.where(seen_high < inside_high - slack, seen_high, inside_high)
    whole = _area(pixels)
    inside = _area_inside(pixels, size)
    hidden = 1 - np.count_nonzero(mask) / SCALE**2 / max(inside, 1e-6)
    truncation = 1 - inside / max(whole, 1e-6)
    box = (float(box_low[0]), float(box_low[1]), float(box_high[0]), float(box_high[1]))
    return Seen(box, float(np.clip(truncation, 0, 1)), float(np.clip(hidden, 0, 1)))


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _area_inside(polygon: np.ndarray, size: np.ndarray) -> float:
    """Area of the part of a convex polygon within (0, 0)..size."""
    points = polygon
    for axis in (0, 1):
        for sign, edge in ((1.0, 0.0), (-1.0, -float(size[axis]))):
            points = _half_plane(points, axis, sign, edge)
            if len(points) < 3:
                return 0.0
    return _area(points)


def _half_plane(points: np.ndarray, axis: int, sign: float, edge: float) -> np.ndarray:
    kept = []
    for here, after in zip(points, np.roll(points, -1, axis=0)):
        start, end = sign * here[axis] - edge, sign * after[axis] - edge
        if start >= 0:
            kept.append(here)
        if (start >= 0) != (end >= 0):
            kept.append(here + (after - here) * start / (start - end))
    return np.array(kept).reshape(-1, 2)


def without(scene: Scene, identities: set[int]) -> Scene:
    """The scene with the plates of these identities taken off."""
    vehicles = tuple(
        replace(vehicle, mounts=tuple(mount for mount in vehicle.mounts if mount.identity not in identities))
        for vehicle in scene.vehicles
    )
    return replace(scene, vehicles=vehicles)


def settle(scene: Scene) -> tuple[Painter, list[Seen]]:
    """Paint; plates too hidden or too small to be labelled are taken off, and the scene is painted again.

    Where that would take the first plate, the things that may hide it go instead, so that a scene
    meant to have a plate keeps one.
    """
    place = empty_place(scene)
    scene = without(scene, far_plates(scene))
    while True:
        painter = paint(scene, place)
        plates, bad = judged(scene, painter)
        if not bad:
            return painter, plates
        scene = _rescued(scene) if 1 in bad else without(scene, bad)


def far_plates(scene: Scene) -> set[int]:
    """Identities of the plates that are too small to be labelled, whatever is before them."""
    found = set()
    for vehicle, mount in mounts(scene):
        pixels, depth = scene.camera.project(vehicle.plate_quad(mount))
        if depth.min() < 0.5 or np.ptp(pixels[:, 0]) < _narrowest(scene):
            found.add(mount.identity)
    return found


def judged(scene: Scene, painter: Painter) -> tuple[list[Seen], set[int]]:
    """The plates that can be labelled, and the identities of those that cannot."""
    identities = painter.canvas.identities()
    plates, bad = [], set()
    for vehicle, mount in mounts(scene):
        seen = seen_plate(scene.camera, vehicle.plate_quad(mount), mount.identity, identities)
        if seen is None or not _labelled(scene, seen):
            bad.add(mount.identity)
        else:
            plates.append(seen)
    return plates, bad


def _rescued(scene: Scene) -> Scene:
    """The scene without what may hide its first plate; without that plate where there is nothing left."""
    first = scene.vehicles[0]
    depth = float(scene.camera.to_camera(first.middle())[2])
    posts = tuple(post for post in scene.posts if float(scene.camera.to_camera((*post.foot, 0.0))[2]) > depth)
    if len(scene.vehicles) == 1 and len(posts) == len(scene.posts):
        return without(scene, {1})
    return replace(scene, vehicles=(first,), posts=posts)


def _labelled(scene: Scene, seen: Seen) -> bool:
    wide = seen.box[2] - seen.box[0]
    return wide >= _narrowest(scene) and seen.hidden <= MOST_HIDDEN and seen.truncation <= MOST_HIDDEN


def _narrowest(scene: Scene) -> float:
    """Pixels of the picture."""
    return NARROWEST * max(scene.camera.width, scene.camera.height) / REFERENCE


def label(seen: Seen) -> Label:
    """The KITTI label: occlusion 0 for up to a tenth hidden, 1 up to a third, 2 beyond."""
    occlusion = 0 if seen.hidden < 0.1 else 1 if seen.hidden < 1 / 3 else 2
    return Label(
        CLASS, round(seen.truncation, 2), occlusion, 0.0, tuple(round(value, 2) for value in seen.box)
    )
