"""Draws scenes by chance: which place, light, camera, vehicles, plates and lettering."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from detectnet.sources.synthetic import lettered
from detectnet.sources.synthetic.backgrounds import BACKGROUNDS, Background
from detectnet.sources.synthetic.camera import Camera
from detectnet.sources.synthetic.effects import draw_effects
from detectnet.sources.synthetic.equipment import Choice, fit_plate, some_vehicle
from detectnet.sources.synthetic.fonts import write
from detectnet.sources.synthetic.lettered import Sign, pick
from detectnet.sources.synthetic.light import Light
from detectnet.sources.synthetic.meshes import shape
from detectnet.sources.synthetic.plants import VARIANTS
from detectnet.sources.synthetic.scenes import LETTERED, Post, Scene
from detectnet.sources.synthetic.structures import OPEN, Site
from detectnet.sources.synthetic.truth import REFERENCE
from detectnet.sources.synthetic.vehicles import Mount, Vehicle
from detectnet.sources.synthetic.weather import LIGHTS

Rng = np.random.Generator


def compose(choice: Choice, rng: Rng) -> Scene:
    """One scene; the same generator state gives the same scene."""
    background = BACKGROUNDS[str(pick(choice.backgrounds, rng))]
    light = LIGHTS[str(pick(background.lights, rng))](rng)
    empty, with_letters = rng.random() < choice.empty_share, rng.random() < choice.distractor_share
    pixels = _target(choice, rng)
    camera = _camera(choice, rng, background, pixels)
    vehicles, camera = _vehicles(choice, background, light, camera, pixels, empty, with_letters, rng)
    site = _site(background, vehicles, rng)
    posts = _posts(background, site, camera, with_letters, choice.fonts, rng)
    scene = Scene(
        camera,
        light,
        background,
        site,
        vehicles,
        posts,
        boards(choice, with_letters, rng),
        _marks(choice, site, with_letters and background.sides[0] != (), rng),
        None,
        draw_effects(rng, max(camera.width, camera.height), light.night),
        float(rng.uniform(0, background.clouds)),
        int(rng.integers(1, 2**30)),
        with_letters,
    )
    return (
        replace(scene, caption=caption(choice.fonts, rng)) if with_letters and rng.random() < 0.12 else scene
    )


def caption(fonts: tuple[str, ...], rng: Rng) -> Sign:
    """The line that surveillance cameras write into their pictures."""
    date = f"{rng.integers(2015, 2027)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    text = f"{pick(lettered.CAPTIONS, rng)} {date}"
    sprite = np.zeros((40, 640, 4), np.uint8)
    sprite[..., :3] = 255
    if rng.random() < 0.5:
        sprite[...] = (0, 0, 0, 150)
    write(sprite, text, str(pick(fonts, rng)), (0.02, 0.15, 0.98, 0.85), (255, 255, 255), (0.7, 1.1))
    return Sign(sprite, float(rng.uniform(0.3, 0.55)), text)


def _camera(choice: Choice, rng: Rng, background: Background, pixels: float) -> Camera:
    """The lens is the wider the nearer the first vehicle is, or the picture would show nothing else."""
    width, height = choice.width, choice.height
    kind = rng.random()
    if kind < 0.25:
        height = width * 3 // 4
    elif kind < 0.35:
        width, height = height, width
    longest = 2.4 if pixels < 50 else 1.5 if pixels < 90 else 1.1
    focal = max(width, height) * float(np.exp(rng.uniform(np.log(0.7), np.log(longest))))
    level = float(rng.uniform(1.1, 1.8) if rng.random() < 0.6 else rng.uniform(1.8, 4.2))
    distance = focal * 0.5 / (pixels * max(width, height) / REFERENCE)
    level = min(level, 0.8 + 0.32 * distance, (background.roof or 9.0) - 0.5)
    roll = float(np.clip(rng.normal(0, 0.035), -0.14, 0.14))
    return Camera(width, height, focal, (0.0, 0.0, level), roll=roll)


def _solve(camera: Camera, vehicle: Vehicle, mount: Mount, bearing: float, pixels: float) -> Vehicle:
    """The vehicle moved along a bearing from the camera until its plate's box is ``pixels`` wide."""
    distance = camera.focal * mount.size[0] / pixels
    for _ in range(5):
        vehicle = vehicle.placed((0.0, 0.0))
        anchor = vehicle.plate_quad(mount).mean(axis=0)
        ground = distance * np.array([np.sin(bearing), np.cos(bearing)])
        vehicle = vehicle.placed((float(ground[0] - anchor[0]), float(ground[1] - anchor[1])))
        quad = vehicle.plate_quad(mount)
        corners, depth = camera.looking_at(quad.mean(axis=0)).project(quad)
        if depth.min() < 0.3:
            distance *= 1.3
            continue
        distance *= float(np.ptp(corners[:, 0])) / pixels
        distance = max(distance, 0.8)
    return vehicle


def _target(choice: Choice, rng: Rng) -> float:
    """A plate's width in pixels at the reference size."""
    low, high = np.log(choice.plate_width)
    return float(np.exp(rng.uniform(low, high)))


def _vehicles(
    choice: Choice,
    background: Background,
    light: Light,
    camera: Camera,
    pixels: float,
    empty: bool,
    letters: bool,
    rng: Rng,
) -> tuple[tuple[Vehicle, ...], Camera]:
    """One vehicle that the camera is aimed at and up to three more."""
    first = fit_plate(choice, some_vehicle(choice, background, light, rng, letters), light, 1, letters, rng)
    bearing = float(np.clip(rng.normal(0, 0.25), -0.75, 0.75))
    if abs(bearing - (first.heading + np.pi / 2) % np.pi + np.pi / 2) > 0.85:
        bearing = 0.0
    pixels = pixels * max(camera.width, camera.height) / REFERENCE
    first = _solve(camera, first, first.mounts[0], bearing, pixels)
    camera = _aim(camera, first, pixels, rng)
    vehicles = [first]
    if empty and rng.random() < 0.5:
        vehicles = []
    for identity in range(2, 2 + int(rng.choice([0, 1, 2, 3], p=[0.5, 0.27, 0.15, 0.08]))):
        other = _another(choice, background, light, camera, vehicles, identity, letters, rng)
        if other is not None:
            vehicles.append(other)
    if empty:
        vehicles = [replace(one, mounts=()) for one in vehicles]
    if not vehicles:
        camera = replace(
            camera, pitch=float(rng.uniform(-0.14, 0.0)), position=(0.0, 0.0, max(1.3, camera.position[2]))
        )
    return tuple(vehicles), camera


def _aim(camera: Camera, vehicle: Vehicle, pixels: float, rng: Rng) -> Camera:
    """Point the camera so that the plate lies somewhere in the picture and the horizon is plausible."""
    anchor = vehicle.plate_quad(vehicle.mounts[0]).mean(axis=0)
    margin = pixels * 0.6
    low, high = min(margin, camera.width * 0.45), max(camera.width - margin, camera.width * 0.55)
    spread = camera.width * (0.5 if pixels < 90 else 0.25)
    low, high = max(low, camera.width / 2 - spread), min(high, camera.width / 2 + spread)
    for _ in range(12):
        u = float(rng.uniform(low, high))
        v = float(camera.height * np.clip(rng.normal(0.62, 0.15), 0.15, 0.93))
        aimed = camera.aimed(anchor, u, v)
        if -0.55 < aimed.pitch < 0.16 and abs(aimed.pan) < 0.9:
            return aimed
    return camera.aimed(anchor, camera.width / 2, camera.height * 0.6)


def _another(
    choice: Choice,
    background: Background,
    light: Light,
    camera: Camera,
    vehicles: list[Vehicle],
    identity: int,
    letters: bool,
    rng: Rng,
) -> Vehicle | None:
    """One more vehicle in view that touches no other; None when no room is found."""
    one = fit_plate(
        choice, some_vehicle(choice, background, light, rng, letters), light, identity, letters, rng
    )
    for _ in range(6):
        bearing = camera.pan + float(rng.uniform(-0.45, 0.45)) * camera.width / camera.focal
        one = _solve(
            camera,
            one,
            one.mounts[0],
            bearing,
            _target(choice, rng) * max(camera.width, camera.height) / REFERENCE,
        )
        if abs(bearing) < 0.75 and all(_apart(one, other) for other in vehicles):
            return one
    return None


def _apart(one: Vehicle, other: Vehicle) -> bool:
    """Whether the footprints of two vehicles do not touch (separating rectangles by OpenCV)."""
    area, _ = cv2.rotatedRectangleIntersection(_footprint(one), _footprint(other))
    return area == cv2.INTERSECT_NONE


def _footprint(vehicle: Vehicle) -> tuple:
    x, y, _ = vehicle.middle()
    half = float(shape(vehicle.body).half_width(0.6)) + 0.35
    return (float(x), float(y)), (2 * half, vehicle.length + 1.0), -float(np.degrees(vehicle.heading))


def _site(background: Background, vehicles: tuple[Vehicle, ...], rng: Rng) -> Site:
    """The road put under the vehicles, walls beyond them and beyond the camera."""
    across = [
        float(end[0])
        for one in vehicles
        for end in (one.middle(), one.to_world(np.array([one.length, 0.0, 0.0])), one.to_world(np.zeros(3)))
    ]
    first = across[0] if across else 0.0
    middle = first + float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.3, 0.6)) * background.half_road
    near = [x for x in across if abs(x - middle) < 14]
    half = max([background.half_road, *(abs(x - middle) + 1.3 for x in near)])
    reach = max(
        [half + float(rng.uniform(1.5, 4.0)), abs(middle) + 1.2, *(abs(x - middle) + 2.2 for x in across)]
    )
    return Site(middle, half, reach, near=-2.0, far=_far(background, vehicles, rng))


def _far(background: Background, vehicles: tuple[Vehicle, ...], rng: Rng) -> float:
    """Where the road ends: at what closes the view, or far off where nothing does."""
    last = max([float(one.middle()[1]) + one.length / 2 for one in vehicles], default=20.0)
    is_open = background.far in OPEN
    return max(float(rng.uniform(110, 170) if is_open else rng.uniform(30, 90)), last + 4.0)


def _posts(
    background: Background, site: Site, camera: Camera, letters: bool, fonts: tuple[str, ...], rng: Rng
) -> tuple[Post, ...]:
    posts = []
    for kind in background.posts:
        posts += row_of(kind, site, rng)
    wanted = int(rng.integers(1, 5)) if letters else int(rng.random() < 0.35)
    for index in range(wanted):
        post = _sign_post(background, site, camera, letters and rng.random() < 0.85, fonts, index, rng)
        if post is not None:
            posts.append(post)
    return tuple(posts)


def row_of(kind: str, site: Site, rng: Rng) -> list[Post]:
    gap, height = {"lamps": (22, 7.5), "lit_lamps": (20, 7.5), "cones": (5, 0.7)}.get(kind, (11, 6.5))
    names = {"trees": "leafy", "conifers": "conifer", "bare": "bare", "palms": "palm", "bushes": "bush"}
    posts = []
    for side in (-1.0, 1.0):
        for y in np.arange(float(rng.uniform(6, 6 + gap)), min(site.far, 70), gap):
            x = site.middle + side * (
                site.half_road
                + (0.5 if kind in ("lamps", "lit_lamps", "cones") else float(rng.uniform(1.2, 2.6)))
            )
            if kind in names:
                tall = (1.6 if kind == "bushes" else height) * float(rng.uniform(0.8, 1.3))
                if rng.random() < 0.6:
                    posts.append(Post(f"tree:{names[kind]}:{rng.integers(VARIANTS)}", (x, float(y)), tall))
            else:
                posts.append(
                    Post(
                        {"lamps": "lamp", "lit_lamps": "lit_lamp", "cones": "cone"}[kind],
                        (x, float(y)),
                        height,
                    )
                )
    return posts


def _sign_post(
    background: Background,
    site: Site,
    camera: Camera,
    letters: bool,
    fonts: tuple[str, ...],
    index: int,
    rng: Rng,
) -> Post | None:
    """A sign at the roadside that the camera can see; None when none fits."""
    makers = {**lettered.POSTED, "gantry": lettered.gantry_sign}
    maker = (
        makers[str(pick(background.signs, rng))]
        if letters
        else lettered.BLANK[str(pick(("board", "vent"), rng))]
    )
    sign = maker(rng, str(pick(fonts, rng)))
    for _ in range(10):
        side, y = float(rng.choice([-1.0, 1.0])), float(np.exp(rng.uniform(np.log(3.5), np.log(40))))
        x = site.middle + side * (site.half_road + float(rng.uniform(0.5, 1.4)) + sign.width / 2)
        low = float(rng.uniform(0.6, 2.3)) + (1.0 if sign.width > 2 else 0.0)
        pixel, depth = camera.project(np.array([(x, y, low), (x, y, low + sign.height)]))
        inside = (
            (pixel > 0).all() and (pixel[:, 0] < camera.width).all() and (pixel[:, 1] < camera.height).all()
        )
        if depth.min() > 1 and inside:
            return Post("sign", (x, y), low, sign, LETTERED + 20 + index if sign.text else 0)
    return None


def boards(choice: Choice, letters: bool, rng: Rng) -> tuple[Sign, ...]:
    if not letters:
        return ()
    makers = (
        lettered.shop_board,
        lettered.shop_board,
        lettered.house_number,
        lettered.notice_board,
        lettered.blank_board,
    )
    return tuple(pick(makers, rng)(rng, str(pick(choice.fonts, rng))) for _ in range(int(rng.integers(3, 8))))


def _marks(choice: Choice, site: Site, wanted: bool, rng: Rng) -> tuple[tuple[Sign, float, float], ...]:
    if not wanted or rng.random() > 0.2:
        return ()
    sign = lettered.road_word(rng, str(pick(choice.fonts, rng)))
    return ((sign, site.middle + float(rng.choice([-0.5, 0.5])) * site.half_road, float(rng.uniform(5, 14))),)
