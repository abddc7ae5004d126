"""A scene as a description, and its painting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise

import cv2
import numpy as np

from detectnet.sources.synthetic.backdrop import draw_backdrop
from detectnet.sources.synthetic.backgrounds import Background
from detectnet.sources.synthetic.bodywork import paint_vehicle, vehicle_shadows
from detectnet.sources.synthetic.camera import Camera
from detectnet.sources.synthetic.canvas import Canvas
from detectnet.sources.synthetic.effects import Effects, add_glows
from detectnet.sources.synthetic.lettered import Sign
from detectnet.sources.synthetic.light import Light
from detectnet.sources.synthetic.painter import Painter, Shadow
from detectnet.sources.synthetic.plants import tree
from detectnet.sources.synthetic.structures import FAR, SIDES, Site
from detectnet.sources.synthetic.vehicles import Vehicle

LETTERED = 100  # identities from here on are lettered things that are no plates


@dataclass(frozen=True)
class Post:
    """Something upright at the roadside: "tree:KIND:VARIANT", "lamp", "lit_lamp", "cone" or "sign"."""

    kind: str
    foot: tuple[float, float]
    height: float
    sign: Sign | None = None
    identity: int = 0


@dataclass(frozen=True)
class Scene:
    """Everything that a picture shows. Painting it twice gives the same picture.

    ``boards`` are lettered signs for facades; ``marks`` letters on the road at (X, Y); ``caption`` is
    written into the picture by the camera, "" for none.
    """

    camera: Camera
    light: Light
    background: Background
    site: Site
    vehicles: tuple[Vehicle, ...]
    posts: tuple[Post, ...]
    boards: tuple[Sign, ...]
    marks: tuple[tuple[Sign, float, float], ...]
    caption: Sign | None
    effects: Effects
    clouds: float
    seed: int
    lettered: bool = False


def paint(scene: Scene, place: Canvas) -> Painter:
    """The scene on a canvas that names the object in each of its pixels; see ``finished``.

    ``place`` is the ``empty_place`` of the scene; it stays as it is.
    """
    painter = Painter(place.copy(), scene.camera, scene.light)
    things = [(_distance(scene.camera, post.foot), post) for post in scene.posts]
    things += [(_distance(scene.camera, tuple(one.middle()[:2])), one) for one in scene.vehicles]
    shapes = [shape for one in scene.vehicles for shape in vehicle_shadows(one, scene.light)]
    painter.shadows([*(_tree_shadow(post) for post in scene.posts if post.kind.startswith("tree")), *shapes])
    for _, thing in sorted(things, key=lambda pair: -pair[0]):
        if isinstance(thing, Vehicle):
            paint_vehicle(painter, thing)
        else:
            _paint_post(painter, thing)
    if scene.caption is not None:
        paint_caption(painter, scene.caption)
    return painter


def finished(painter: Painter) -> np.ndarray:
    """(H, W, 3) uint8 RGB picture before the camera's weaknesses: canvas and lamps' halos."""
    return add_glows(painter.canvas.picture(), painter.glows)


def _distance(camera: Camera, point: tuple[float, float]) -> float:
    return float(np.hypot(point[0] - camera.position[0], point[1] - camera.position[1]))


def _backdrop(scene: Scene) -> np.ndarray:
    background, site = scene.background, scene.site
    left, right = site.middle - site.half_road, site.middle + site.half_road
    edges = np.array([(left, -1, 0), (right, -1, 0), (right, site.far, 0), (left, site.far, 0)], float)
    return draw_backdrop(
        scene.camera,
        scene.light,
        background.verge,
        background.road,
        edges,
        background.grain,
        scene.clouds,
        scene.seed,
    )


def empty_place(scene: Scene) -> Canvas:
    """Everything that stands still and behind the vehicles: sky, ground, far end, sides, road, ceiling."""
    background, site = scene.background, scene.site
    painter = Painter(Canvas(_backdrop(scene)), scene.camera, scene.light)
    rng = np.random.Generator(np.random.PCG64([5, scene.seed]))
    boards = _boards(scene)
    if background.far:
        FAR[background.far](painter, site, rng, boards)
    _road(painter, background, site)
    if background.roof:
        _ceiling(painter, site, background.roof)
    for side, names in zip((-1.0, 1.0), background.sides):
        for name in names[::-1]:
            SIDES[name](painter, site, side, rng, boards)
    if background.wet:
        _mirror(painter, site)
    for index, (sign, x, y) in enumerate(scene.marks):
        half, long = sign.width / 2, sign.width * 1.6
        corners = [
            (x - half, y + long, 0.0),
            (x + half, y + long, 0.0),
            (x + half, y, 0.0),
            (x - half, y, 0.0),
        ]
        painter.sprite(sign.sprite, corners, (0, 0, 1), LETTERED + 60 + index)
    return painter.canvas


def _mirror(painter: Painter, site: Site) -> None:
    """Wet ground: a blurred, upside-down picture of what stands above the horizon."""
    camera = painter.camera
    ground = [(site.middle - site.reach, 0.5, 0), (site.middle + site.reach, 0.5, 0)]
    outline = camera.outline(np.array([*ground, *[(x, site.far, 0) for x, _, _ in ground[::-1]]], float))
    horizon = camera.height / 2 + camera.focal * float(np.tan(camera.pitch))
    if outline is None or horizon < 8:
        return
    picture = painter.canvas.picture()
    rows = np.clip(2 * horizon - np.arange(camera.height), 0, camera.height - 1).astype(int)
    upside_down = cv2.GaussianBlur(picture[rows], (0, 0), sigmaX=1.5, sigmaY=camera.height / 45)
    painter.canvas.overlay(upside_down, outline, 0.34)


def _boards(scene: Scene) -> Iterator[tuple[Sign, int]]:
    """The boards with their identities, over and over; nothing where there are none."""
    yield from cycle(
        (sign, LETTERED + 1 + index if sign.text else 0) for index, sign in enumerate(scene.boards)
    )


def _road(painter: Painter, background: Background, site: Site) -> None:
    left, right = site.middle - site.half_road, site.middle + site.half_road
    if any(name in ("houses", "shops", "lit_houses") for side in background.sides for name in side):
        for x in (left - 0.16, right):
            painter.ground((x, x + 0.16), (0.2, site.far), (168, 166, 160), 0.05)
    white = (206, 206, 200)
    if background.marks in ("lanes", "edges"):
        for x in (left + 0.25, right - 0.25):
            painter.ground((x - 0.07, x + 0.07), (0.2, site.far), white)
    if background.marks == "lanes":
        lanes = max(2, round(2 * site.half_road / 3.6))
        for x in np.linspace(left, right, lanes + 1)[1:-1]:
            for y in np.arange(0.5, min(site.far, 80), 6.0):
                painter.ground((x - 0.07, x + 0.07), (y, y + 3.0), white)
    if background.marks == "bays":
        for x in np.arange(left, right + 0.1, 2.6):
            for y in (3.0, 9.0, 20.0, 26.0, 37.0):
                painter.ground((x - 0.06, x + 0.06), (y, y + 5.0), white)


def _ceiling(painter: Painter, site: Site, height: float) -> None:
    left, right = site.middle - site.reach, site.middle + site.reach
    edges = np.arange(site.far, -1, -6.0)
    for far, near in pairwise(edges):
        painter.flat(
            [(left, near, height), (right, near, height), (right, far, height), (left, far, height)],
            (120, 120, 116),
            (0, 0, -0.2),
        )
        for x in np.linspace(left, right, 4)[1:-1]:
            lamp = [
                (x - 0.12, near + 1, height - 0.02),
                (x + 0.12, near + 1, height - 0.02),
                (x + 0.12, near + 3, height - 0.02),
                (x - 0.12, near + 3, height - 0.02),
            ]
            painter.glowing(lamp, (250, 250, 240))


def _paint_post(painter: Painter, post: Post) -> None:
    x, y = post.foot
    kind, *variant = post.kind.split(":")
    if kind == "tree":
        painter.board(tree(variant[0], int(variant[1])), (x, y, -0.05), post.height * 0.9, post.height)
    elif kind == "cone":
        for low, high, tone in (
            (0.0, 0.25, (226, 96, 30)),
            (0.25, 0.42, (236, 236, 232)),
            (0.42, 0.7, (226, 96, 30)),
        ):
            half = [0.17 * (1 - z / 0.8) for z in (low, high)]
            painter.flat(
                [
                    (x - half[0], y, low),
                    (x + half[0], y, low),
                    (x + half[1], y, high),
                    (x - half[1], y, high),
                ],
                tone,
                (0, -0.8, 0.6),
            )
    elif kind == "sign":
        _paint_sign(painter, post)
    else:
        _paint_lamp(painter, post, kind == "lit_lamp")


def _tree_shadow(post: Post) -> Shadow:
    x, y = post.foot
    corners = np.array(
        [(x - 0.8, y - 0.8, 0), (x + 0.8, y - 0.8, 0), (x + 0.8, y + 0.8, 0), (x - 0.8, y + 0.8, 0)]
    )
    return Shadow(corners, 0.4, 0.4)


def _pole(
    painter: Painter, x: float, y: float, height: float, radius: float, tone: tuple[int, int, int]
) -> None:
    painter.flat(
        [(x - radius, y, 0), (x + radius, y, 0), (x + radius, y, height), (x - radius, y, height)],
        tone,
        (0.4, -0.9, 0),
    )


def _paint_lamp(painter: Painter, post: Post, on: bool) -> None:
    x, y = post.foot
    arm = -np.sign(x) * 1.4
    _pole(painter, x, y, post.height, 0.07, (84, 88, 88))
    painter.flat(
        [
            (x, y, post.height),
            (x + arm, y, post.height + 0.15),
            (x + arm, y, post.height + 0.05),
            (x, y, post.height - 0.1),
        ],
        (84, 88, 88),
        (0, -1, 0),
    )
    head = [
        (x + arm * 0.7, y, post.height + 0.02),
        (x + arm * 1.25, y, post.height + 0.06),
        (x + arm * 1.25, y, post.height + 0.16),
        (x + arm * 0.7, y, post.height + 0.14),
    ]
    if on:
        painter.glowing(head, (255, 240, 200))
        painter.glow((x + arm, y, post.height), 0.55, (255, 206, 130))
    else:
        painter.flat(head, (120, 122, 122), (0, -1, 0))


def _paint_sign(painter: Painter, post: Post) -> None:
    assert post.sign is not None
    x, y = post.foot
    sign = post.sign
    legs = (0.0,) if sign.width < 1.2 else (-sign.width * 0.35, sign.width * 0.35)
    for shift in legs:
        _pole(painter, x + shift, y, post.height + sign.height * 0.5, 0.035, (150, 152, 154))
    painter.board(sign.sprite, (x, y - 0.05, post.height), sign.width, sign.height, post.identity)


def paint_caption(painter: Painter, caption: Sign) -> None:
    """Write the camera's own line into the lower left corner."""
    width = painter.camera.width * caption.width
    height = width * caption.sprite.shape[0] / caption.sprite.shape[1]
    x, y = 8.0, painter.camera.height - height - 6
    quad = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    painter.canvas.paste(caption.sprite, quad, LETTERED)
