"""Layouts of number plates: what shapes and colours there are. All texts on them are invented."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[float, float, float, float]
Rgb = tuple[int, int, int]

BLACK, WHITE, SILVER = (18, 18, 20), (242, 243, 240), (188, 190, 188)
EU_BLUE, YELLOW, RED, GREEN = (0, 51, 153), (247, 195, 20), (190, 20, 30), (0, 110, 60)


@dataclass(frozen=True)
class Patch:
    """A coloured rectangle of a plate with an optional small text; boxes are shares of the plate."""

    box: Box
    colour: Rgb
    texts: tuple[str, ...] = ()
    ink: Rgb = WHITE
    ring: bool = False


@dataclass(frozen=True)
class Layout:
    """One kind of plate. In patterns ``A`` is a letter, ``9`` a digit, the rest stands for itself."""

    width: int  # millimetres
    height: int
    ground: tuple[Rgb, ...]
    ink: tuple[Rgb, ...]
    lines: tuple[tuple[Box, tuple[str, ...]], ...]
    border: bool = True
    patches: tuple[Patch, ...] = ()
    graphic: str = ""
    seal: bool = False


_STRIP = Patch((0.0, 0.0, 0.085, 1.0), EU_BLUE, ("EST", "LUX", "CZ", "RO", "X", "NOR", "Q"), WHITE, ring=True)
_MAIN = (0.11, 0.16, 0.97, 0.84)
_FULL = (0.05, 0.15, 0.95, 0.85)
_TWO = ((0.14, 0.09, 0.90, 0.46), (0.08, 0.55, 0.92, 0.92))
_US = (0.06, 0.29, 0.94, 0.80)

LAYOUTS: dict[str, Layout] = {
    "eu_strip": Layout(
        520,
        112,
        (WHITE,),
        (BLACK,),
        ((_MAIN, ("AB 99 AAA", "AA-999-AA", "A 999 AA", "AAA 999")),),
        patches=(_STRIP,),
    ),
    "eu_seal": Layout(
        520,
        110,
        (WHITE,),
        (BLACK,),
        (
            ((0.11, 0.15, 0.36, 0.85), ("AB", "A", "AAA")),
            ((0.47, 0.15, 0.97, 0.85), ("AA 999", "A 9999", "AA 99")),
        ),
        patches=(_STRIP,),
        seal=True,
    ),
    "eu_two_line": Layout(
        280,
        200,
        (WHITE,),
        (BLACK,),
        ((_TWO[0], ("AA 99", "AAA", "AB 9")), (_TWO[1], ("9999", "99 AA", "AAA 99"))),
        patches=(Patch((0.0, 0.0, 0.12, 0.5), EU_BLUE, ("F", "EST", "X"), WHITE, ring=True),),
    ),
    "uk_white": Layout(520, 111, (WHITE,), (BLACK,), ((_FULL, ("AA99 AAA",)),), border=False),
    "uk_yellow": Layout(520, 111, ((248, 206, 24),), (BLACK,), ((_FULL, ("AA99 AAA",)),), border=False),
    "dutch_yellow": Layout(
        520,
        110,
        (YELLOW, (250, 180, 10)),
        (BLACK,),
        ((_MAIN, ("99-AAA-9", "AA-99-AA", "A-999-AA")),),
        patches=(_STRIP,),
    ),
    "taxi_yellow": Layout(372, 135, ((250, 200, 0),), (BLACK,), ((_FULL, ("999 999", "A99999", "TX 9999")),)),
    "us_header": Layout(
        305,
        152,
        (WHITE, (235, 240, 248)),
        ((20, 40, 110), BLACK, (110, 20, 30)),
        ((_US, ("AAA 9999", "AAA-999", "9AAA999")),),
        patches=(
            Patch((0.0, 0.0, 1.0, 0.24), (28, 60, 140), ("NORTHLAND", "NEW HARBOR", "EASTMARK"), WHITE),
            Patch(
                (0.2, 0.85, 0.8, 0.98), WHITE, ("THE BRIGHT STATE", "LAND OF LAKES AND HILLS"), (60, 70, 110)
            ),
        ),
    ),
    "us_sunset": Layout(
        305,
        152,
        ((252, 222, 190),),
        ((40, 50, 90), (90, 30, 40)),
        ((_US, ("AAA 999", "999 AAA", "AB9 9AA")),),
        patches=(Patch((0.25, 0.04, 0.75, 0.22), (252, 222, 190), ("Westmoor", "Arcadia"), (160, 30, 40)),),
        graphic="sunset",
    ),
    "us_mountains": Layout(
        305,
        152,
        ((225, 236, 240),),
        ((10, 70, 50), (30, 30, 60)),
        ((_US, ("999-AAA", "AAA-999", "99-9999")),),
        patches=(Patch((0.25, 0.04, 0.75, 0.2), (225, 236, 240), ("HIGHRIDGE", "CASCADE"), (10, 70, 50)),),
        graphic="mountains",
    ),
    "us_dark_blue": Layout(
        305,
        152,
        ((24, 44, 104), (12, 60, 60)),
        ((250, 210, 60), WHITE),
        ((_US, ("AAA 999", "9AAA999")),),
        patches=(Patch((0.2, 0.05, 0.8, 0.21), (24, 44, 104), ("GOLDEN VALLEY",), (250, 210, 60)),),
    ),
    "moto_square": Layout(
        190,
        160,
        (WHITE, YELLOW),
        (BLACK,),
        ((_TWO[0], ("AAA", "A99", "AA 9")), (_TWO[1], ("9999", "99A", "999"))),
    ),
    "mercosur": Layout(
        400,
        130,
        (WHITE,),
        (BLACK, (150, 20, 30)),
        (((0.05, 0.34, 0.95, 0.90), ("AAA9A99", "AA 999 AA")),),
        patches=(Patch((0.0, 0.0, 1.0, 0.27), (10, 50, 150), ("MERIDIA", "AUSTRALIS"), WHITE),),
    ),
    "grey_two_letter_town": Layout(
        400,
        130,
        ((170, 172, 174), (190, 190, 186)),
        (BLACK,),
        (((0.05, 0.30, 0.95, 0.92), ("AAA-9999", "AAA 9999")),),
        patches=(Patch((0.25, 0.04, 0.75, 0.24), (150, 152, 154), ("NV - PORTO ALTO", "RS - CAMPO"), BLACK),),
    ),
    "india": Layout(
        500,
        120,
        (WHITE, (250, 200, 20)),
        (BLACK,),
        (((0.12, 0.17, 0.96, 0.83), ("AA 99 AA 9999", "AA99A9999")),),
        patches=(Patch((0.02, 0.52, 0.09, 0.9), WHITE, ("IN", "BH"), (30, 80, 170)),),
    ),
    "japan_white": Layout(
        330,
        165,
        (WHITE,),
        ((0, 90, 60),),
        (((0.26, 0.07, 0.74, 0.31), ("AA 999", "AA 99")), ((0.10, 0.40, 0.94, 0.90), ("99-99", "9-99"))),
        border=False,
    ),
    "japan_green": Layout(
        330,
        165,
        ((0, 96, 62),),
        (WHITE,),
        (((0.26, 0.07, 0.74, 0.31), ("AA 999", "AA 99")), ((0.10, 0.40, 0.94, 0.90), ("99-99", "9-99"))),
        border=False,
    ),
    "old_silver_on_black": Layout(
        520, 112, ((22, 22, 24),), (SILVER,), ((_FULL, ("AAA 999", "AB 99 99", "999 AAA")),)
    ),
    "old_black_on_silver": Layout(480, 110, (SILVER,), (BLACK,), ((_FULL, ("AA 9999", "99-AA-99")),)),
    "red_diplomatic": Layout(
        520, 112, ((176, 18, 30),), (WHITE,), ((_FULL, ("999 D 999", "CD 9999", "99-999")),)
    ),
    "green_temporary": Layout(
        480,
        120,
        ((226, 240, 226),),
        (GREEN,),
        ((_FULL, ("AA 9999 T", "T-99999", "99 AAA 99")),),
    ),
    "blue_commercial": Layout(440, 140, ((20, 70, 170),), (WHITE,), ((_FULL, ("A-A9999", "AA 99999")),)),
    "gulf_two_part": Layout(
        520,
        112,
        (WHITE,),
        (BLACK,),
        (
            ((0.05, 0.14, 0.24, 0.86), ("A", "99", "9")),
            ((0.42, 0.14, 0.96, 0.86), ("99999", "9999", "999 99")),
        ),
        patches=(Patch((0.28, 0.0, 0.38, 1.0), (150, 30, 50), ("DUN", "KAS"), WHITE),),
    ),
    "gulf_square": Layout(
        335,
        155,
        (WHITE, (250, 226, 120)),
        (BLACK,),
        (((0.06, 0.10, 0.62, 0.46), ("9999", "999")), ((0.06, 0.54, 0.62, 0.90), ("AAA", "A 99"))),
        patches=(Patch((0.68, 0.0, 1.0, 1.0), (40, 120, 80), ("KAS", "DUN"), WHITE),),
    ),
    "electric_green_edge": Layout(
        440,
        140,
        ((232, 244, 236),),
        (BLACK,),
        (((0.06, 0.17, 0.94, 0.83), ("AA9 99999", "AD 99999")),),
        graphic="green_fade",
    ),
}
