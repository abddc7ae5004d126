"""Shapes of vehicles: side outlines, widths by height, and where glass, lights, wheels and plates sit.

Vehicle axes: x forward from the rear end, y left, z up from the road, in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

Outline = tuple[tuple[float, float, str], ...]
Span = tuple[float, float]


@dataclass(frozen=True)
class End:
    """The rear or the front of a body.

    Args:
        plate: heights of the plate's centre that occur.
        lamps: outer and inner |y| as shares of the half width, lower and upper z.
        grille: half width as a share, lower and upper z; None where there is none.
        lettering: z of model badges or company names.
        doors: two hinged doors instead of a tailgate.
        beam: lower and upper z of a beam below the body that carries lamps and plate.
    """

    plate: tuple[float, ...]
    lamps: tuple[float, float, float, float]
    grille: tuple[float, float, float] | None = None
    lettering: float = 0.0
    doors: bool = False
    beam: tuple[float, float] | None = None


@dataclass(frozen=True)
class Body:
    """One shape of vehicle.

    Args:
        outline: (x, z, material of the piece that starts here), from the rear's lower edge over the
            roof to the front's lower edge.
        widths: (z, half width).
        corner: how far the rear and front corners are rounded, metres.
        windows: side windows as (x1, x2 at the belt, x1, x2 at the top, belt z, top z).
        wheels: x of the axles, and the radius.
    """

    outline: Outline
    widths: tuple[Span, ...]
    corner: float
    windows: tuple[tuple[float, float, float, float, float, float], ...]
    wheels: tuple[tuple[float, ...], float]
    rear: End
    front: End
    glass: float = 0.86
    rounded: bool = True


BODIES: dict[str, Body] = {
    "hatchback": Body(
        outline=(
            (0.14, 0.24, "plastic"),
            (0.02, 0.36, "paint"),
            (0.0, 0.56, "paint"),
            (0.07, 0.64, "paint"),
            (0.10, 0.94, "glass"),
            (0.50, 1.38, "paint"),
            (0.62, 1.46, "paint"),
            (1.5, 1.50, "paint"),
            (2.15, 1.45, "paint"),
            (2.28, 1.42, "glass"),
            (3.02, 0.98, "paint"),
            (3.70, 0.80, "paint"),
            (3.86, 0.70, "paint"),
            (3.94, 0.52, "paint"),
            (3.93, 0.36, "plastic"),
            (3.84, 0.20, "plastic"),
        ),
        widths=((0.2, 0.80), (0.5, 0.87), (0.9, 0.87), (1.0, 0.84), (1.46, 0.60), (1.5, 0.52)),
        corner=0.26,
        windows=((0.62, 1.5, 0.95, 1.5, 0.98, 1.38), (1.58, 2.75, 1.58, 2.2, 0.98, 1.38)),
        wheels=((0.72, 3.15), 0.31),
        rear=End((0.80, 0.80, 0.44), (1.0, 0.66, 0.66, 0.94), lettering=0.70),
        front=End((0.44, 0.40), (0.97, 0.55, 0.60, 0.76), (0.45, 0.60, 0.72)),
    ),
    "saloon": Body(
        outline=(
            (0.16, 0.24, "plastic"),
            (0.03, 0.34, "paint"),
            (0.0, 0.56, "paint"),
            (0.05, 0.62, "paint"),
            (0.08, 0.96, "paint"),
            (0.20, 1.02, "paint"),
            (0.72, 1.06, "glass"),
            (1.32, 1.38, "paint"),
            (1.6, 1.44, "paint"),
            (2.2, 1.46, "paint"),
            (2.75, 1.42, "paint"),
            (2.85, 1.39, "glass"),
            (3.55, 0.98, "paint"),
            (4.35, 0.82, "paint"),
            (4.50, 0.72, "paint"),
            (4.58, 0.54, "paint"),
            (4.57, 0.36, "plastic"),
            (4.46, 0.20, "plastic"),
        ),
        widths=((0.2, 0.82), (0.5, 0.90), (0.9, 0.90), (1.0, 0.87), (1.42, 0.62), (1.46, 0.52)),
        corner=0.30,
        windows=((0.98, 1.98, 1.42, 1.98, 0.99, 1.37), (2.06, 3.3, 2.06, 2.78, 0.99, 1.37)),
        wheels=((0.95, 3.72), 0.32),
        rear=End((0.78, 0.78, 0.45), (1.0, 0.58, 0.68, 0.92), lettering=0.95),
        front=End((0.43, 0.40), (0.96, 0.52, 0.62, 0.77), (0.42, 0.56, 0.74)),
    ),
    "estate_suv": Body(
        outline=(
            (0.14, 0.34, "plastic"),
            (0.02, 0.46, "plastic"),
            (0.0, 0.68, "paint"),
            (0.06, 0.76, "paint"),
            (0.08, 1.12, "glass"),
            (0.36, 1.58, "paint"),
            (0.48, 1.66, "paint"),
            (1.5, 1.70, "paint"),
            (2.55, 1.66, "paint"),
            (2.66, 1.62, "glass"),
            (3.40, 1.14, "paint"),
            (4.20, 1.02, "paint"),
            (4.38, 0.92, "paint"),
            (4.48, 0.66, "plastic"),
            (4.46, 0.46, "plastic"),
            (4.34, 0.30, "plastic"),
        ),
        widths=((0.3, 0.86), (0.6, 0.94), (1.05, 0.94), (1.15, 0.90), (1.62, 0.68), (1.70, 0.58)),
        corner=0.26,
        windows=(
            (0.46, 0.98, 0.66, 0.98, 1.15, 1.56),
            (1.06, 2.08, 1.06, 2.08, 1.15, 1.56),
            (2.16, 3.14, 2.16, 2.58, 1.15, 1.56),
        ),
        wheels=((0.90, 3.60), 0.37),
        rear=End((0.93, 0.93, 0.58), (1.0, 0.70, 0.78, 1.10), lettering=0.82),
        front=End((0.56, 0.52), (0.97, 0.56, 0.80, 0.94), (0.46, 0.68, 0.92)),
    ),
    "van": Body(
        outline=(
            (0.10, 0.36, "plastic"),
            (0.02, 0.42, "plastic"),
            (0.0, 0.56, "paint"),
            (0.04, 0.60, "paint"),
            (0.06, 1.22, "paint"),
            (0.16, 1.90, "paint"),
            (0.26, 2.0, "paint"),
            (3.55, 2.0, "paint"),
            (3.72, 1.93, "glass"),
            (4.35, 1.22, "paint"),
            (4.80, 1.06, "paint"),
            (4.94, 0.90, "paint"),
            (5.0, 0.60, "plastic"),
            (4.98, 0.42, "plastic"),
            (4.86, 0.26, "plastic"),
        ),
        widths=((0.3, 0.90), (0.6, 0.96), (1.2, 0.96), (1.9, 0.86), (2.0, 0.80)),
        corner=0.12,
        windows=((3.05, 4.1, 3.05, 3.62, 1.22, 1.80),),
        wheels=((0.95, 4.05), 0.35),
        rear=End((0.70, 0.70, 0.62), (1.0, 0.86, 0.72, 1.20), lettering=1.04, doors=True),
        front=End((0.50, 0.46), (0.96, 0.60, 0.74, 0.98), (0.50, 0.64, 0.86)),
        glass=0.84,
        rounded=False,
    ),
    "lorry": Body(
        outline=(
            (0.06, 0.95, "panel"),
            (0.0, 1.05, "panel"),
            (0.0, 3.30, "panel"),
            (0.06, 3.42, "panel"),
            (5.6, 3.42, "panel"),
            (5.75, 3.36, "panel"),
            (5.78, 2.75, "paint"),
            (5.9, 2.74, "paint"),
            (7.2, 2.71, "paint"),
            (7.35, 2.62, "glass"),
            (7.52, 1.72, "paint"),
            (7.62, 1.10, "paint"),
            (7.66, 0.80, "plastic"),
            (7.62, 0.48, "plastic"),
            (7.50, 0.36, "plastic"),
        ),
        widths=((0.3, 1.18), (0.9, 1.22), (3.3, 1.22), (3.42, 1.19)),
        corner=0.05,
        windows=((6.2, 7.3, 6.2, 7.2, 1.72, 2.50),),
        wheels=((1.2, 2.3, 6.6), 0.48),
        rear=End((0.72,), (0.98, 0.66, 0.66, 0.80), lettering=2.3, doors=True, beam=(0.58, 0.90)),
        front=End((0.60, 0.55), (0.95, 0.66, 0.70, 0.90), (0.60, 0.98, 1.52), lettering=1.6),
        glass=0.92,
        rounded=False,
    ),
    "bus": Body(
        outline=(
            (0.10, 0.34, "plastic"),
            (0.02, 0.42, "paint"),
            (0.0, 1.55, "glass"),
            (0.10, 2.55, "paint"),
            (0.22, 2.95, "paint"),
            (0.40, 3.05, "paint"),
            (8.4, 3.05, "paint"),
            (8.72, 2.96, "paint"),
            (8.84, 2.66, "glass"),
            (9.0, 1.15, "paint"),
            (9.02, 0.42, "plastic"),
            (8.9, 0.30, "plastic"),
        ),
        widths=((0.3, 1.20), (0.6, 1.25), (2.6, 1.24), (3.05, 1.12)),
        corner=0.18,
        windows=tuple(
            (0.7 + 1.3 * i, 1.9 + 1.3 * i, 0.7 + 1.3 * i, 1.9 + 1.3 * i, 1.35, 2.45) for i in range(6)
        ),
        wheels=((2.0, 7.2), 0.48),
        rear=End((0.80, 0.70), (0.97, 0.80, 0.75, 1.35), (0.6, 0.95, 1.35), lettering=2.75),
        front=End((0.56,), (0.95, 0.68, 0.66, 0.90), None, lettering=2.76),
        glass=0.93,
    ),
    "motorcycle": Body(
        outline=(
            (0.03, 0.45, "paint"),
            (0.0, 0.50, "paint"),
            (0.0, 0.95, "paint"),
            (0.5, 1.05, "paint"),
            (1.6, 1.05, "paint"),
            (2.0, 0.90, "paint"),
            (2.05, 0.45, "paint"),
        ),
        widths=((0.3, 0.36), (1.6, 0.36)),
        corner=0.0,
        windows=(),
        wheels=((0.32, 1.55), 0.32),
        rear=End((0.60,), (0.3, 0.1, 0.8, 0.9)),
        front=End((0.60,), (0.3, 0.1, 0.8, 0.9)),
        rounded=False,
    ),
}
