"""Things with lettering that are no number plates, and blank things that look like one, as flat sprites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from detectnet.sources.synthetic.fonts import write

Rgb = tuple[int, int, int]
Rng = np.random.Generator

WORDS = (
    "BAKERY",
    "CAFE LUNA",
    "MARKET",
    "HOTEL ALBA",
    "PIZZA",
    "BOOKS",
    "FLOWERS",
    "GARAGE",
    "TYRES",
    "BANK",
    "OPTIK",
    "KIOSK",
    "CINEMA",
    "SHOES",
    "TAILOR",
    "BIKES",
    "TEA ROOM",
    "BAR 24",
    "DENTIST",
    "MUSIC",
    "WINES",
    "TOYS",
    "PHARMA",
    "CAR WASH",
    "HARDWARE",
    "FISH & CO",
    "BARBER",
    "NOODLES",
    "FRUIT",
    "TRAVEL",
    "COPY SHOP",
    "GRILL 88",
    "ATELIER",
)
TOWNS = (
    "Norwick",
    "Eastham",
    "Lindau-Ost",
    "Varsen",
    "Port Alma",
    "Kelso Bridge",
    "Monteal",
    "Rovere",
    "Sandvik",
    "Ulmenau",
    "Belcastro",
    "Hollin",
    "Quarra",
    "Tarnow Sud",
    "Westerby",
    "Airport",
    "Centre",
    "Harbour",
    "Stadium",
)
FIRMS = (
    "NORTRANS",
    "ALBA CARGO",
    "BLUE LINE",
    "FRESH2U",
    "KELLER & SONS",
    "RAPIDO",
    "WINDOW PRO",
    "MOVE-IT",
    "LOGIVIA",
    "GREEN BOX",
    "PAINTERS",
    "ELEKTRO MEYR",
    "AQUA SERVICE",
    "PARCEL ONE",
    "ORCHARD FOODS",
    "TEKNO-BAU",
)
SLOGANS = (
    "SALE -50%",
    "NEW ALBUM OUT NOW",
    "DRINK FRESH",
    "FLY FOR LESS",
    "VOTE NO 7",
    "OPEN 24H",
    "HOME LOANS 2.9%",
)
STICKERS = (
    "BABY ON BOARD",
    "I LOVE CATS",
    "RADIO 97.3",
    "TAXI",
    "SURF CLUB",
    "4x4",
    "TEAM NORD",
    "NO FEAR",
    "GT",
    "TURBO",
)
ROAD_WORDS = ("SLOW", "STOP", "BUS", "TAXI", "SCHOOL", "30", "50", "KEEP CLEAR", "ONLY")
CAPTIONS = (
    "CAM 02  GATE NORTH",
    "LANE 3",
    "PARKING LEVEL -1",
    "ENTRANCE B",
    "CH01 1080P",
    "REC  STREET VIEW",
)
BRIGHT = (
    (196, 30, 40),
    (20, 90, 170),
    (16, 120, 70),
    (240, 190, 30),
    (30, 30, 34),
    (236, 236, 230),
    (120, 40, 110),
    (230, 110, 30),
)


@dataclass(frozen=True)
class Sign:
    """A sprite (h, w, 3 or 4) uint8 and its width in metres; ``text`` is "" for blank things."""

    sprite: np.ndarray
    width: float
    text: str

    @property
    def height(self) -> float:
        """Metres."""
        return self.width * self.sprite.shape[0] / self.sprite.shape[1]


def pick(options: tuple, rng: Rng) -> object:
    """One of ``options``."""
    return options[int(rng.integers(len(options)))]


def _ink(ground: Rgb) -> Rgb:
    return (250, 250, 248) if sum(ground) < 400 else (20, 22, 30)


def _plain(width: int, height: int, colour: Rgb) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def shop_board(rng: Rng, font: str) -> Sign:
    """The long board over a shop's window."""
    ground = pick(BRIGHT, rng)
    sprite, text = _plain(420, 84, ground), pick(WORDS, rng)
    cv2.rectangle(sprite, (4, 4), (415, 79), _ink(ground), 2)
    write(sprite, text, font, (0.08, 0.2, 0.92, 0.8), _ink(ground), (0.8, 1.4))
    return Sign(sprite, float(rng.uniform(2.2, 3.8)), text)


def billboard(rng: Rng, font: str) -> Sign:
    """A large advertisement with a simple picture."""
    top, low = np.float32(pick(BRIGHT, rng)), np.float32(pick(BRIGHT, rng))
    ramp = np.linspace(0, 1, 220, dtype=np.float32)[:, None, None]
    sprite = np.repeat((top * (1 - ramp) + low * ramp).astype(np.uint8), 440, axis=1)
    cv2.circle(
        sprite,
        (int(rng.integers(60, 380)), int(rng.integers(70, 150))),
        int(rng.integers(30, 70)),
        (245, 235, 210),
        -1,
        cv2.LINE_AA,
    )
    text = pick(SLOGANS, rng)
    write(sprite, text, font, (0.06, 0.58, 0.94, 0.86), (252, 252, 250), (0.7, 1.3))
    cv2.rectangle(sprite, (0, 0), (439, 219), (70, 70, 72), 6)
    return Sign(sprite, float(rng.uniform(2.5, 5.0)), text)


def direction_sign(rng: Rng, font: str) -> Sign:
    """A blue, green or white sign with two or three towns and distances."""
    ground = pick(((20, 80, 170), (10, 110, 70), (240, 240, 236), (248, 196, 40)), rng)
    rows = int(rng.integers(2, 4))
    sprite, towns = _plain(360, 74 * rows, ground), []
    cv2.rectangle(sprite, (6, 6), (353, 74 * rows - 7), _ink(ground), 3, cv2.LINE_AA)
    for row in range(rows):
        town = pick(TOWNS, rng)
        towns.append(town)
        low, high = (row + 0.24) / rows, (row + 0.78) / rows
        write(sprite, town, font, (0.06, low, 0.74, high), _ink(ground), (0.7, 1.0))
        write(sprite, str(rng.integers(2, 180)), font, (0.78, low, 0.94, high), _ink(ground), (0.7, 1.0))
    return Sign(sprite, float(rng.uniform(1.4, 3.0)), " ".join(towns))


def _disc(size: int) -> np.ndarray:
    return np.zeros((size, size, 4), np.uint8)


def limit_sign(rng: Rng, font: str) -> Sign:
    """A round sign with a red ring and a number."""
    sprite, text = _disc(160), str(10 * rng.integers(2, 13))
    cv2.circle(sprite, (80, 80), 78, (200, 20, 30, 255), -1, cv2.LINE_AA)
    cv2.circle(sprite, (80, 80), 60, (246, 246, 244, 255), -1, cv2.LINE_AA)
    write(sprite, text, font, (0.24, 0.3, 0.76, 0.7), (16, 16, 18), (0.7, 1.0))
    return Sign(sprite, float(rng.uniform(0.6, 0.9)), text)


def stop_sign(rng: Rng, font: str) -> Sign:
    """An octagon."""
    sprite = _disc(160)
    turn = np.linspace(0, 2 * np.pi, 8, endpoint=False) + np.pi / 8
    for radius, colour in ((79, (246, 246, 244, 255)), (72, (190, 20, 30, 255))):
        corners = np.column_stack([80 + radius * np.cos(turn), 80 + radius * np.sin(turn)])
        cv2.fillConvexPoly(sprite, corners.astype(np.int32), colour, cv2.LINE_AA)
    write(sprite, "STOP", font, (0.14, 0.34, 0.86, 0.66), (250, 250, 248), (0.7, 1.0))
    return Sign(sprite, float(rng.uniform(0.6, 0.9)), "STOP")


def warning_sign(rng: Rng, font: str) -> Sign:
    """A triangle above a white board with a distance."""
    sprite, text = np.zeros((230, 160, 4), np.uint8), f"{rng.integers(1, 9) * 50} m"
    for inset, colour in ((0, (200, 20, 30, 255)), (22, (246, 246, 244, 255))):
        corners = np.array(
            [
                (80, 6 + 1.5 * inset),
                (156 - 1.4 * inset, 146 - inset * 0.7),
                (4 + 1.4 * inset, 146 - inset * 0.7),
            ]
        )
        cv2.fillConvexPoly(sprite, corners.astype(np.int32), colour, cv2.LINE_AA)
    cv2.rectangle(sprite, (74, 66), (86, 102), (16, 16, 18, 255), -1)
    cv2.circle(sprite, (80, 116), 7, (16, 16, 18, 255), -1, cv2.LINE_AA)
    cv2.rectangle(sprite, (10, 164), (149, 224), (244, 244, 240, 255), -1)
    cv2.rectangle(sprite, (14, 168), (145, 220), (16, 16, 18, 255), 2)
    write(sprite, text, font, (0.18, 0.77, 0.82, 0.91), (16, 16, 18), (0.7, 1.1))
    return Sign(sprite, float(rng.uniform(0.7, 0.95)), text)


def parking_sign(rng: Rng, font: str) -> Sign:
    """A blue P with an hour line under it."""
    sprite, hours = _plain(150, 210, (24, 84, 172)), f"{rng.integers(6, 10)}-{rng.integers(16, 23)} h"
    write(sprite, "P", font, (0.25, 0.08, 0.75, 0.62), (250, 250, 248), (0.8, 1.0))
    cv2.rectangle(sprite, (8, 148), (141, 201), (244, 244, 240), -1)
    write(sprite, hours, font, (0.12, 0.75, 0.88, 0.92), (16, 16, 18), (0.6, 1.0))
    return Sign(sprite, float(rng.uniform(0.5, 0.7)), f"P {hours}")


def street_name(rng: Rng, font: str) -> Sign:
    """A small plate-like sign with the name of a street."""
    ground = pick(((24, 70, 150), (240, 240, 236), (20, 96, 60)), rng)
    sprite = _plain(320, 72, ground)
    text = f"{pick(TOWNS, rng)} {pick(('St', 'Road', 'Lane', 'Weg'), rng)}"
    cv2.rectangle(sprite, (3, 3), (316, 68), _ink(ground), 2)
    write(sprite, text, font, (0.06, 0.2, 0.94, 0.8), _ink(ground), (0.6, 1.0))
    return Sign(sprite, float(rng.uniform(0.7, 1.1)), text)


def notice_board(rng: Rng, font: str) -> Sign:
    """A white board with several lines of text."""
    sprite, lines = _plain(260, 200, (238, 236, 226)), []
    cv2.rectangle(sprite, (2, 2), (257, 197), (60, 60, 62), 3)
    for row in range(4):
        text = f"{pick(WORDS, rng)} {rng.integers(1, 99)}"
        lines.append(text)
        ink = (180, 20, 30) if row == 0 else (30, 30, 36)
        write(sprite, text, font, (0.1, 0.08 + row * 0.23, 0.9, 0.24 + row * 0.23), ink, (0.5, 1.0))
    return Sign(sprite, float(rng.uniform(0.8, 1.6)), " ".join(lines))


def house_number(rng: Rng, font: str) -> Sign:
    """The number board of a house."""
    ground = pick(((24, 60, 140), (242, 242, 238), (24, 24, 26)), rng)
    sprite, text = _plain(120, 90, ground), f"{rng.integers(1, 240)}"
    cv2.rectangle(sprite, (3, 3), (116, 86), _ink(ground), 2)
    write(sprite, text, font, (0.15, 0.2, 0.85, 0.8), _ink(ground), (0.7, 1.0))
    return Sign(sprite, float(rng.uniform(0.2, 0.36)), text)


def gantry_sign(rng: Rng, font: str) -> Sign:
    """A wide motorway sign with an exit number."""
    ground = pick(((20, 80, 170), (10, 110, 70)), rng)
    sprite, town = _plain(480, 200, ground), f"{pick(TOWNS, rng)}"
    cv2.rectangle(sprite, (6, 6), (473, 193), (246, 246, 244), 4)
    write(sprite, town, font, (0.06, 0.14, 0.7, 0.46), (250, 250, 248), (0.7, 1.0))
    write(sprite, f"EXIT {rng.integers(1, 99)}", font, (0.06, 0.58, 0.5, 0.84), (250, 250, 248), (0.7, 1.0))
    write(sprite, f"A{rng.integers(1, 99)}", font, (0.74, 0.3, 0.94, 0.6), (250, 210, 60), (0.7, 1.0))
    return Sign(sprite, float(rng.uniform(3.0, 4.5)), town)


def firm_band(rng: Rng, font: str) -> Sign:
    """A firm's name and telephone number, for vans and lorries."""
    sprite, name = np.zeros((150, 420, 4), np.uint8), pick(FIRMS, rng)
    ink = pick(((20, 70, 150), (180, 24, 34), (20, 100, 60), (30, 30, 34)), rng)
    sprite[..., :3] = ink
    write(sprite, name, font, (0.04, 0.06, 0.96, 0.56), ink, (0.7, 1.2))
    write(
        sprite,
        f"0{rng.integers(100, 999)} {rng.integers(10, 99)} {rng.integers(1000, 9999)}",
        font,
        (0.2, 0.68, 0.8, 0.92),
        ink,
        (0.6, 1.0),
    )
    return Sign(sprite, 1.0, name)


def sticker(rng: Rng, font: str) -> Sign:
    """A bumper sticker or model badge."""
    ground, text = pick(BRIGHT, rng), pick(STICKERS, rng)
    sprite = _plain(200, 60, ground)
    write(sprite, text, font, (0.06, 0.2, 0.94, 0.8), _ink(ground), (0.6, 1.2))
    return Sign(sprite, float(rng.uniform(0.14, 0.26)), text)


def badge(rng: Rng, font: str) -> Sign:
    """Chrome letters of a model's name."""
    text = f"{pick(('S', 'X', 'GL', 'C', 'Astor', 'Vela', 'Corso', 'T'), rng)} {rng.integers(1, 900)}"
    sprite = np.zeros((50, 240, 4), np.uint8)
    sprite[..., :3] = (205, 207, 212)
    write(sprite, text, font, (0.02, 0.1, 0.98, 0.9), (205, 207, 212), (0.8, 1.3))
    return Sign(sprite, float(rng.uniform(0.20, 0.32)), text)


def road_word(rng: Rng, font: str) -> Sign:
    """White letters on the road."""
    sprite, text = np.zeros((300, 260, 4), np.uint8), pick(ROAD_WORDS, rng)
    sprite[..., :3] = (214, 214, 208)
    write(sprite, text, font, (0.03, 0.04, 0.97, 0.96), (214, 214, 208), (0.2, 1.0))
    sprite[..., 3] = (sprite[..., 3] * 0.8).astype(np.uint8)
    return Sign(sprite, float(rng.uniform(1.6, 2.4)), text)


def dealer_caption(rng: Rng, font: str) -> Sign:
    """White letters for the lower edge of a plate's holder."""
    sprite, text = _plain(300, 20, (24, 24, 26)), f"{pick(FIRMS, rng)} {pick(TOWNS, rng)}"
    write(sprite, text, font, (0.1, 0.15, 0.9, 0.85), (225, 225, 222), (0.6, 1.3))
    return Sign(sprite, 0.5, text)


def blank_board(rng: Rng, font: str) -> Sign:
    """An empty white, yellow or grey board, the size and shape of a plate or somewhat larger."""
    sprite = _plain(
        240,
        int(rng.integers(52, 150)),
        pick(((238, 238, 234), (244, 200, 40), (150, 152, 154), (40, 70, 140)), rng),
    )
    if rng.random() < 0.5:
        cv2.rectangle(sprite, (3, 3), (236, sprite.shape[0] - 4), (40, 40, 42), 2)
    return Sign(sprite, float(rng.uniform(0.4, 0.9)), "")


def vent(rng: Rng, font: str) -> Sign:
    """A grating with dark slots."""
    sprite = _plain(220, 90, (150, 152, 150))
    for x in range(12, 210, 14):
        cv2.rectangle(sprite, (x, 10), (x + 6, 79), (36, 36, 38), -1)
    return Sign(sprite, float(rng.uniform(0.4, 0.8)), "")


POSTED: dict[str, Callable[[Rng, str], Sign]] = {
    "direction": direction_sign, "limit": limit_sign, "stop": stop_sign, "warning": warning_sign,
    "parking": parking_sign, "street_name": street_name, "notice": notice_board, "billboard": billboard,
}  # fmt: skip
BLANK: dict[str, Callable[[Rng, str], Sign]] = {"board": blank_board, "vent": vent}
