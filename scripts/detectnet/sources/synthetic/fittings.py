"""What is fixed to a vehicle's rear, front and flanks: lamps, grilles, bumpers, doors, wheels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detectnet.sources.synthetic.bodies import End
from detectnet.sources.synthetic.meshes import shape
from detectnet.sources.synthetic.painter import Painter
from detectnet.sources.synthetic.surface import Corners, Surface, block
from detectnet.sources.synthetic.vehicles import Vehicle

GAP = (14, 14, 15)
FINE = 28  # pixels a metre below which small fittings cannot be seen and are left out


def fit_rear(surface: Surface, spec: End) -> None:
    """Bumper, seams, rear lamps, doors."""
    low = surface.form.body.outline[0][1]
    style = surface.vehicle.style
    surface.fill(
        block(-0.9, 0.9, low - 0.02, low + (0.10, 0.22, 0.14, 0.18)[style]), surface.shaded((38, 38, 40))
    )
    if spec.beam:
        surface.fill(block(-0.97, 0.97, *spec.beam), surface.shaded((58, 58, 60)))
    if spec.doors:
        _doors(surface, spec)
    else:
        seam = spec.lamps[2] - 0.03
        surface.stroke(block(-0.95, 0.95, seam, seam + 0.004)[:7], surface.shaded(GAP), 0.010)
        _recess(surface, spec)
        _extras(surface, low)
    for sign in (1.0, -1.0):
        _rear_lamp(surface, styled(spec, style), sign)
    if surface.vehicle.lamps_on:
        _shine(surface, spec, (255, 40, 24), 0.15)


def _recess(surface: Surface, spec: End) -> None:
    """The niche of the tailgate where many plates sit, and the handle bar above it."""
    z = spec.plate[0]
    if z > 0.6:
        dim = np.array(surface.vehicle.paint) * 0.72
        surface.fill(block(-0.36, 0.36, z - 0.075, z + 0.085), surface.shaded(dim))
        surface.fill(block(-0.34, 0.34, z + 0.085, z + 0.105), surface.shaded((150, 152, 156)))


def _extras(surface: Surface, low: float) -> None:
    """Exhaust, high brake lamp, wiper, reflectors: which of them depends on the style."""
    style, form = surface.vehicle.style, surface.form
    if surface.pixels_per_metre < FINE:
        return
    for sign in (1.0, -1.0) if style == 2 else (1.0,):
        surface.fill(
            block(*sorted((sign * 0.58, sign * 0.68)), low - 0.01, low + 0.05),
            surface.shaded((120, 122, 124)),
        )
        surface.fill(
            block(*sorted((sign * 0.60, sign * 0.66)), low, low + 0.04), surface.shaded((16, 16, 16))
        )
    for sign in (1.0, -1.0):
        surface.fill(
            block(*sorted((sign * 0.72, sign * 0.9)), low + 0.17, low + 0.20), surface.shaded((150, 16, 20))
        )
    roof = form.height - 0.10
    if style != 1 and form.height < 2:
        surface.fill(block(-0.16, 0.16, roof, roof + 0.025), surface.shaded((150, 14, 18)))
    if style in (1, 3) and form.body.outline[4][2] == "glass":
        belt = form.body.outline[4][1] + 0.03
        surface.stroke([(0.0, belt), (0.42, belt + 0.10)], surface.shaded(GAP), 0.018)


def styled(spec: End, style: int) -> End:
    """The lamps of one of four styles: as they are, tall, wide and slim, with a band between them."""
    outer, inner, low, high = spec.lamps
    if spec.doors or spec.beam or high - low > 0.4:
        return spec
    lamps = {
        1: (outer, inner + 0.10, low - 0.04, high + 0.14),
        2: (outer, inner - 0.16, low + 0.06, high),
        3: (outer, inner - 0.04, low + 0.02, high + 0.04),
    }.get(style, spec.lamps)
    return replace(spec, lamps=lamps)


def _doors(surface: Surface, spec: End) -> None:
    form = surface.form
    low, high = form.body.outline[1][1] + 0.05, form.height - 0.14
    dark = surface.shaded(GAP)
    surface.stroke([(0.0, low), (0.0, high)], dark, 0.014)
    for across in (-0.93, 0.93):
        surface.stroke([(across, low), (across, high)], dark, 0.012)
    metal = surface.shaded((130, 132, 136))
    if form.height > 2.6:
        for across in (-0.55, -0.22, 0.22, 0.55):
            surface.stroke([(across, low), (across, high)], metal, 0.030)
        return
    for sign in (1.0, -1.0):
        pane = block(*sorted((sign * 0.10, sign * 0.74)), 1.28, 1.74)
        mirrored = surface.painter.light.mirrored(np.add(surface.normal(), (0.0, 0.0, 0.35)))
        surface.fill(pane, np.array((14, 18, 22)) * 0.7 + mirrored * 0.28)
    surface.stroke([(-0.12, 1.06), (-0.04, 1.06)], metal, 0.03)


def _lamp_corners(spec: End, sign: float, inset: float = 0.0) -> Corners:
    outer, inner, low, high = spec.lamps
    width, height = outer - inner, high - low
    x1, x2 = sign * (inner + inset * width), sign * (outer - inset * width * 0.6)
    return block(min(x1, x2), max(x1, x2), low + inset * height, high - inset * height)


def _rear_lamp(surface: Surface, spec: End, sign: float) -> None:
    outer, inner, low, high = spec.lamps
    on = surface.vehicle.lamps_on
    surface.fill(_lamp_corners(spec, sign), surface.shaded((96, 8, 14)))
    lens = np.array((255, 66, 48.0)) if on else surface.shaded((196, 20, 26))
    surface.fill(_lamp_corners(spec, sign, 0.14), lens)
    middle = low + 0.42 * (high - low)
    x1, x2 = sorted((sign * (inner + 0.2 * (outer - inner)), sign * (outer - 0.25 * (outer - inner))))
    surface.fill(block(x1, x2, middle, middle + 0.24 * (high - low)), surface.shaded((226, 222, 214)))
    surface.fill(
        block(x1, x2, high - 0.26 * (high - low), high - 0.20 * (high - low)), surface.shaded((255, 150, 130))
    )


def _shine(surface: Surface, spec: End, colour: tuple[float, float, float], size: float) -> None:
    outer, inner, low, high = spec.lamps
    if not surface.painter.light.night:
        size, colour = size * 0.55, tuple(part * 0.6 for part in colour)
    for sign in (1.0, -1.0):
        point = surface.points([(sign * (outer + inner) / 2, (low + high) / 2)])
        surface.painter.glow(surface.vehicle.to_world(point)[0], size, colour)


def fit_front(surface: Surface, spec: End) -> None:
    """Bumper intake, grille, headlamps, bonnet seam."""
    low = surface.form.body.outline[-1][1]
    surface.fill(block(-0.62, 0.62, low + 0.02, low + 0.16), surface.shaded((22, 22, 24)))
    if spec.grille:
        _grille(surface, spec.grille)
    for sign in (1.0, -1.0):
        _head_lamp(surface, spec, sign)
        fog = low + 0.20
        surface.fill(
            block(*sorted((sign * 0.70, sign * 0.86)), fog, fog + 0.07), surface.shaded((30, 30, 32))
        )
        surface.fill(
            block(*sorted((sign * 0.75, sign * 0.82)), fog + 0.012, fog + 0.058),
            surface.shaded((190, 190, 186)),
        )
    seam = spec.lamps[3] + 0.015
    surface.stroke(block(-0.8, 0.8, seam, seam)[:7], surface.shaded(GAP), 0.008)
    if surface.vehicle.lamps_on:
        _shine(surface, spec, (255, 240, 205), 0.24)


def _grille(surface: Surface, grille: tuple[float, float, float]) -> None:
    half, low, high = grille
    style = surface.vehicle.style
    chrome = surface.shaded((176, 178, 182))
    surface.fill(
        block(-half - 0.02, half + 0.02, low - 0.012, high + 0.012),
        chrome if style % 2 else surface.shaded((40, 40, 42)),
    )
    surface.fill(block(-half, half, low, high), surface.shaded((16, 16, 18)))
    if surface.pixels_per_metre < FINE:
        return
    bars = 3 + style
    for z in np.linspace(low, high, bars + 2)[1:-1]:
        surface.stroke(block(-half, half, float(z), float(z))[:7], surface.shaded((72, 72, 76)), 0.010)
    middle, turn = (low + high) / 2, np.linspace(0, 2 * np.pi, 14, endpoint=False)
    radius, scale = 0.42 * (high - low), float(surface.form.half_width(low))
    for share, tone in ((1.0, (186, 188, 192)), (0.72, (60, 62, 70))):
        ring = [
            (float(radius * share * np.cos(a) / scale), float(middle + radius * share * np.sin(a)))
            for a in turn
        ]
        surface.fill(ring, surface.shaded(tone))


def _head_lamp(surface: Surface, spec: End, sign: float) -> None:
    outer, inner, low, high = spec.lamps
    surface.fill(_lamp_corners(spec, sign), surface.shaded((54, 56, 60)))
    on = surface.vehicle.lamps_on
    lens = np.array((255, 252, 236.0)) if on else surface.shaded((196, 202, 208))
    surface.fill(_lamp_corners(spec, sign, 0.12), lens)
    middle, centre = (low + high) / 2, sign * (inner + 0.42 * (outer - inner))
    scale, turn = float(surface.form.half_width(middle)), np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for share, tone in ((0.40, (90, 94, 100)), (0.28, (236, 240, 244))):
        radius = share * (high - low)
        ring = [
            (float(centre + radius * np.cos(a) / scale), float(middle + radius * np.sin(a))) for a in turn
        ]
        surface.fill(ring, np.array((255, 255, 245.0)) if on else surface.shaded(tone))


def fit_flank(painter: Painter, vehicle: Vehicle, sign: float) -> None:
    """Side windows, door seams, handles, wheels and the mirror of one flank."""
    form = shape(vehicle.body)
    light, normal = painter.light, vehicle.turned(np.array([0.0, sign, 0.0]))
    glass = np.array((14, 18, 22)) * 0.6 + light.mirrored(np.add(normal, (0.0, 0.0, 0.25))) * 0.34
    for x1, x2, top1, top2, low, high in form.body.windows:
        _side_area(painter, vehicle, sign, [(x1, low), (top1, high), (top2, high), (x2, low)], glass)
    seam = light.matt(GAP, normal)
    sill = form.body.outline[0][1] + 0.1
    for window in form.body.windows[:2] if form.height < 2.5 else ():
        for x in (window[0] - 0.04, window[1] + 0.04):
            if form.body.wheels[0][0] + 0.3 < x < form.body.wheels[0][-1] - 0.3:
                _side_area(
                    painter,
                    vehicle,
                    sign,
                    [(x, sill), (x, window[4]), (x + 0.012, window[4]), (x + 0.012, sill)],
                    seam,
                )
        x, z = window[0] + 0.08, window[4] - 0.12
        handle = [(x, z), (x + 0.16, z), (x + 0.16, z - 0.03), (x, z - 0.03)]
        _side_area(painter, vehicle, sign, handle, light.matt(np.array(vehicle.paint) * 0.55, normal))
    for x in form.body.wheels[0]:
        _wheel(painter, vehicle, sign, x)
    _mirror(painter, vehicle, sign)


def _side_area(painter: Painter, vehicle: Vehicle, sign: float, corners: Corners, colour: np.ndarray) -> None:
    x, z = np.array(corners, float).T
    local = np.column_stack([x, sign * (shape(vehicle.body).half_width(z) + 0.006), z])
    pixels, depth = painter.camera.project(vehicle.to_world(local))
    if depth.min() > 0.4:
        painter.canvas.area(pixels, colour)


def _wheel(painter: Painter, vehicle: Vehicle, sign: float, x: float) -> None:
    form = shape(vehicle.body)
    radius = form.body.wheels[1]
    light, normal = painter.light, vehicle.turned(np.array([0.0, sign, 0.0]))
    y = sign * (float(form.half_width(radius)) + 0.008)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)

    def ring(size: float, colour: np.ndarray | tuple[int, int, int], lowest: float = -9.0) -> None:
        z = np.maximum(radius + size * np.sin(turn), lowest)
        local = np.column_stack([x + size * np.cos(turn), np.full(24, y), z])
        pixels, depth = painter.camera.project(vehicle.to_world(local))
        if depth.min() > 0.4:
            painter.canvas.polygon(pixels, colour)

    ring(radius * 1.18, light.matt((12, 12, 13), normal), form.body.outline[0][1] - 0.06)
    ring(radius, light.matt((34, 34, 36), normal))
    ring(radius * 0.66, light.matt((150, 152, 156), normal))
    ring(radius * 0.58, light.matt((70, 72, 76), normal))
    if painter.camera.focal / max(0.5, float(painter.camera.to_camera(vehicle.middle())[2])) < FINE:
        return
    spokes = 5 + vehicle.style
    for angle in np.linspace(0, 2 * np.pi, spokes, endpoint=False) + x:
        a = np.array([angle - 0.16, angle + 0.16, angle + np.pi])
        size = radius * np.array([0.60, 0.60, 0.04])
        local = np.column_stack([x + size * np.cos(a), np.full(3, y), radius + size * np.sin(a)])
        pixels, depth = painter.camera.project(vehicle.to_world(local))
        if depth.min() > 0.4:
            painter.canvas.polygon(pixels, light.matt((158, 160, 164), normal))
    ring(radius * 0.13, light.matt((120, 122, 126), normal))


def _mirror(painter: Painter, vehicle: Vehicle, sign: float) -> None:
    form = shape(vehicle.body)
    window = form.body.windows[-1]
    x, z, y = window[1] - 0.12, window[4] + 0.06, float(form.half_width(window[4]))
    tone = painter.light.matt(np.array(vehicle.paint) * 0.8, vehicle.turned(np.array([-1.0, 0.0, 0.0])))
    y1, y2 = sorted((sign * y, sign * (y + 0.18)))
    local = np.array([(x, y1, z - 0.05), (x, y2, z - 0.05), (x, y2, z + 0.09), (x, y1, z + 0.09)])
    painter.canvas.polygon(painter.camera.outline(vehicle.to_world(local)), tone)
