"""Kinds of daylight and lamplight that scenes choose from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectnet.sources.synthetic.light import Light

Rng = np.random.Generator
Rgb = tuple[float, float, float]


def _sun(rng: Rng, low: float, high: float) -> tuple[float, float, float]:
    bearing, height = rng.uniform(0, 2 * np.pi), rng.uniform(low, high)
    across = np.cos(height)
    return float(across * np.sin(bearing)), float(across * np.cos(bearing)), float(np.sin(height))


def _varied(colour: Rgb, rng: Rng, spread: float = 12.0) -> Rgb:
    red, green, blue = np.clip(
        np.array(colour) + rng.normal(0, spread / 2, 3) + rng.normal(0, spread), 0, 255
    )
    return float(red), float(green), float(blue)


def clear(rng: Rng) -> Light:
    """Sun and a blue sky."""
    zenith, horizon = _varied((86, 142, 214), rng), _varied((196, 214, 232), rng)
    tint = (1.03, 1.0, 0.95)
    return Light(
        _sun(rng, 0.5, 1.2),
        float(rng.uniform(0.5, 0.8)),
        float(rng.uniform(0.66, 0.85)),
        zenith,
        horizon,
        (92, 90, 84),
        tint,
        700,
    )


def overcast(rng: Rng) -> Light:
    """A grey, even sky."""
    grey = float(rng.uniform(170, 225))
    return Light(
        _sun(rng, 0.8, 1.3),
        0.08,
        float(rng.uniform(0.88, 1.12)),
        (grey * 0.9, grey * 0.94, grey),
        (grey, grey, grey),
        (88, 88, 86),
        (0.98, 1.0, 1.02),
        300,
    )


def golden(rng: Rng) -> Light:
    """Low sun, warm and with long shadows."""
    return Light(
        _sun(rng, 0.16, 0.4),
        float(rng.uniform(0.6, 0.95)),
        0.58,
        _varied((110, 136, 186), rng),
        _varied((246, 206, 150), rng),
        (96, 80, 62),
        (1.12, 0.98, 0.80),
        350,
    )


def dusk(rng: Rng) -> Light:
    """After sunset: blue and dim, lamps on."""
    return Light(
        _sun(rng, 0.3, 0.6),
        0.03,
        float(rng.uniform(0.48, 0.66)),
        _varied((40, 52, 92), rng, 6),
        _varied((128, 112, 122), rng, 10),
        (44, 44, 50),
        (0.90, 0.95, 1.15),
        220,
        night=True,
    )


def lamplight(rng: Rng) -> Light:
    """Night under street lamps."""
    warm = float(rng.uniform(0.0, 1.0))
    tint = (1.0 + 0.18 * warm, 1.0, 1.05 - 0.4 * warm)
    return Light(
        (0.1, -0.3, 0.95),
        0.10,
        float(rng.uniform(0.27, 0.42)),
        (10, 12, 22),
        (34, 34, 44),
        (30, 29, 30),
        tint,
        260,
        night=True,
    )


def tubes(rng: Rng) -> Light:
    """Indoors under rows of tubes."""
    warm = float(rng.uniform(-0.08, 0.14))
    return Light(
        (0.0, -0.25, 0.97),
        0.25,
        float(rng.uniform(0.55, 0.80)),
        (206, 208, 200),
        (96, 98, 98),
        (64, 64, 64),
        (1.0 + warm, 1.0, 0.96 - warm),
        90,
    )


def foggy(rng: Rng) -> Light:
    """Fog: everything pales with distance."""
    grey = float(rng.uniform(180, 215))
    return Light(
        _sun(rng, 0.8, 1.3),
        0.02,
        float(rng.uniform(0.8, 1.0)),
        (grey, grey, grey),
        (grey, grey, grey),
        (100, 100, 100),
        (0.98, 1.0, 1.01),
        float(rng.uniform(16, 45)),
    )


LIGHTS: dict[str, Callable[[Rng], Light]] = {
    "clear": clear, "overcast": overcast, "golden": golden, "dusk": dusk, "lamplight": lamplight,
    "tubes": tubes,
    "foggy": foggy,
}  # fmt: skip
