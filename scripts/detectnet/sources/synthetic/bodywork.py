"""Paints vehicles: shadow, tyres, shaded body, fittings, lettering and number plates."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from detectnet.sources.synthetic.bodies import BODIES, End
from detectnet.sources.synthetic.fittings import fit_flank, fit_front, fit_rear
from detectnet.sources.synthetic.light import Light
from detectnet.sources.synthetic.meshes import MATERIALS, mesh, shape
from detectnet.sources.synthetic.motorcycles import paint_motorcycle
from detectnet.sources.synthetic.mounting import hang
from detectnet.sources.synthetic.painter import Painter, Shadow
from detectnet.sources.synthetic.surface import Surface
from detectnet.sources.synthetic.vehicles import Decal, Vehicle

GLOSS = {"paint": 0.42, "glass": 0.95, "plastic": 0.10, "panel": 0.08, "dark": 0.02}


def paint_vehicle(painter: Painter, vehicle: Vehicle) -> None:
    """Draw a vehicle ; plates and decals write their identities."""
    if vehicle.body == "motorcycle":
        paint_motorcycle(painter, vehicle)
        for mount in vehicle.mounts:
            hang(Surface(painter, vehicle, mount.end), mount)
        return
    _tyres(painter, vehicle)
    _body(painter, vehicle)
    for sign in (1.0, -1.0):
        if _faces(painter, vehicle, np.array([0.0, sign, 0.0]), np.array([1.5, sign * 0.9, 0.6])):
            fit_flank(painter, vehicle, sign)
    for end, outward in (("rear", -1.0), ("front", 1.0)):
        x = 0.0 if end == "rear" else shape(vehicle.body).length
        if _faces(painter, vehicle, np.array([outward, 0.0, 0.0]), np.array([x, 0.0, 0.7])):
            _end(painter, vehicle, end)


def _faces(painter: Painter, vehicle: Vehicle, normal: np.ndarray, point: np.ndarray) -> bool:
    view = vehicle.to_world(point) - painter.camera.position
    return float(view @ vehicle.turned(normal)) < 0


def vehicle_shadows(vehicle: Vehicle, light: Light) -> Iterator[Shadow]:
    """The dark under a vehicle, and the shadow that the sun casts."""
    form = shape(vehicle.body)
    half = float(form.half_width(0.4)) + 0.05
    corners = np.array(
        [(-0.05, half), (form.length + 0.05, half), (form.length + 0.05, -half), (-0.05, -half)]
    )
    foot = vehicle.to_world(np.column_stack([corners, np.zeros(4)]))
    yield Shadow(foot, 0.72, 0.16)
    if light.power > 0.3:
        sun = np.array(light.sun)
        shift = -sun[:2] / max(0.25, sun[2]) * form.height * 0.6
        hull = cv2.convexHull(np.concatenate([foot[:, :2], foot[:, :2] + shift]).astype(np.float32))[:, 0]
        yield Shadow(np.column_stack([hull, np.zeros(len(hull))]), 0.40 * light.power, 0.10)


def _tyres(painter: Painter, vehicle: Vehicle) -> None:
    form = shape(vehicle.body)
    axles, radius = form.body.wheels
    turn = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    outer = float(form.half_width(radius)) - 0.03
    for x in axles:
        for sign in (1.0, -1.0):
            rim = [
                np.column_stack(
                    [x + radius * np.cos(turn), np.full(18, sign * y), radius + radius * np.sin(turn)]
                )
                for y in (outer, outer - 0.22)
            ]
            pixels, depth = painter.camera.project(vehicle.to_world(np.concatenate(rim)))
            if depth.min() > 0.5:
                hull = cv2.convexHull(pixels.astype(np.float32))[:, 0]
                painter.canvas.polygon(hull, painter.light.matt((30, 30, 32), (0, -0.7, 0.3)))


def _body(painter: Painter, vehicle: Vehicle) -> None:
    camera, light = painter.camera, painter.light
    size = camera.focal / max(0.5, float(camera.to_camera(vehicle.middle())[2])) * 1.8
    detail = int(np.clip(size / 12, 6, 22)) // 4 * 4 + 2
    parts = mesh(vehicle.body, detail)
    quads = vehicle.to_world(parts.quads)
    normals = vehicle.turned(parts.normals)
    views = quads.mean(axis=1) - camera.position
    distance = np.linalg.norm(views, axis=1, keepdims=True)
    facing = np.sum(views * normals, axis=1) < 0
    pixels, depth = camera.project(quads)
    order = np.flatnonzero(facing & (depth.min(axis=1) > 0.3))
    order = order[np.argsort(-distance[order, 0], kind="stable")]
    if not len(order):
        return
    albedo = _albedo(vehicle)[parts.materials[order]]
    gloss = np.array([GLOSS[name] for name in MATERIALS])[parts.materials[order]]
    colours = light.glossy(albedo, normals[order], views[order] / distance[order], gloss)
    low = np.clip(quads[order, :, 2].mean(axis=1) / 0.7, 0.35, 1.0)
    colours = light.faded(colours * low[:, None], distance[order, 0])
    painter.hide_glows(pixels[order].reshape(-1, 2))
    painter.canvas.polygons(pixels[order], colours)


def _albedo(vehicle: Vehicle) -> np.ndarray:
    table = {
        "paint": vehicle.paint,
        "glass": (16, 20, 24),
        "plastic": (44, 44, 47),
        "panel": vehicle.box,
        "dark": (20, 20, 22),
    }
    return np.array([table[name] for name in MATERIALS], float)


def _end(painter: Painter, vehicle: Vehicle, end: str) -> None:
    surface = Surface(painter, vehicle, end)
    spec: End = getattr(BODIES[vehicle.body], end)
    (fit_rear if end == "rear" else fit_front)(surface, spec)
    for decal in vehicle.decals:
        if decal.place == end:
            _stick(surface, decal)
    for mount in vehicle.mounts:
        if mount.end == end:
            hang(surface, mount)


def _stick(surface: Surface, decal: Decal) -> None:
    half = float(surface.form.half_width(decal.centre[1]))
    wide, tall = decal.size[0] / 2 / half, decal.size[1] / 2
    across, z = decal.centre
    left = -wide if surface.end == "front" else wide
    corners = surface.points(
        [
            (across + left, z + tall),
            (across - left, z + tall),
            (across - left, z - tall),
            (across + left, z - tall),
        ]
    )
    surface.painter.sprite(decal.sprite, surface.vehicle.to_world(corners), surface.normal(), decal.identity)
