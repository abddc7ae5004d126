"""The places where scenes happen. Each is a list of what stands where; ``structures`` draws it."""

from __future__ import annotations

from dataclasses import dataclass

Rgb = tuple[int, int, int]

ASPHALT, PALE_ASPHALT, WET, CONCRETE = (84, 84, 86), (112, 111, 108), (52, 54, 60), (138, 136, 130)
GRASS, DRY, SAND, SNOW, GRAVEL = (
    (86, 106, 56),
    (140, 130, 84),
    (196, 170, 126),
    (226, 230, 236),
    (150, 142, 130),
)
PAVING = (146, 142, 136)


@dataclass(frozen=True)
class Background:
    """One kind of place.

    Args:
        lights: kinds of light that occur.
        road, verge: albedo of the carriageway and of what lies beside it.
        half_road: half the width of the carriageway in metres (widened to hold the vehicles).
        marks: road markings: "lanes", "bays", "edges" or "".
        sides: what stands along the left and the right, by names in ``structures.SIDES``.
        far: what closes the view, by name in ``structures.FAR``; "" leaves the horizon open.
        posts: what stands at the roadside: "lamps", "trees", "conifers", "bare", "palms", "bushes", "cones".
        grain: contrast of the ground's texture.
        clouds: most that the sky may be clouded.
        signs: lettered signs that suit the place.
        turn: how far vehicles stand askew, radians (standard deviation).
        wet: the ground mirrors lamps.
        roof: height of a ceiling in metres, 0 for none.
    """

    lights: tuple[str, ...]
    road: Rgb
    verge: Rgb
    half_road: float
    marks: str
    sides: tuple[tuple[str, ...], tuple[str, ...]]
    far: str = ""
    posts: tuple[str, ...] = ()
    grain: float = 0.10
    clouds: float = 0.8
    signs: tuple[str, ...] = (
        "direction",
        "limit",
        "stop",
        "warning",
        "parking",
        "street_name",
        "notice",
        "billboard",
    )
    turn: float = 0.10
    wet: bool = False
    roof: float = 0.0


_DAY = ("clear", "clear", "overcast", "golden")

BACKGROUNDS: dict[str, Background] = {
    "street": Background(
        _DAY, ASPHALT, PAVING, 3.6, "lanes", (("houses",), ("houses",)), "houses", ("lamps", "trees")
    ),
    "shopping_street": Background(
        ("clear", "overcast", "dusk"), PALE_ASPHALT, PAVING, 3.2, "", (("shops",), ("shops",)),
        "houses", ("lamps",)
    ),
    "suburb": Background(
        _DAY, ASPHALT, GRASS, 3.2, "", (("hedge", "villas"), ("hedge", "villas")), "woods", ("trees",
        "bushes")
    ),
    "motorway": Background(
        (*_DAY, "foggy"), PALE_ASPHALT, GRASS, 7.5, "lanes", (("rail",), ("rail",)), "hills", ("bushes",),
        signs=("direction", "limit", "gantry", "gantry", "billboard"), turn=0.02,
    ),
    "car_park": Background(
        _DAY, PALE_ASPHALT, PALE_ASPHALT, 9.0, "bays", (("low_wall",), ("low_wall",)), "hall",
        ("lamps", "trees"),
        signs=("parking", "notice", "billboard", "limit"), turn=0.28,
    ),
    "night_street": Background(
        ("lamplight",), ASPHALT, PAVING, 3.6, "lanes", (("lit_houses",), ("lit_houses",)), "lit_houses",
        ("lit_lamps",), clouds=0.0,
    ),
    "forest_road": Background(
        ("clear", "overcast", "foggy", "golden"), ASPHALT, (92, 84, 56), 3.0, "edges", (("forest",),
        ("forest",)),
        "woods", ("conifers", "trees"), grain=0.14, signs=("direction", "limit", "warning"),
    ),
    "tunnel": Background(
        ("tubes",), ASPHALT, (96, 96, 94), 4.6, "lanes", (("tunnel",), ("tunnel",)), "dark", (), clouds=0.0,
        signs=("limit", "direction"), turn=0.02, roof=5.2,
    ),
    "garage": Background(
        ("tubes",), (130, 128, 122), (130, 128, 122), 6.5, "bays", (("pillars",), ("pillars",)),
        "concrete", (),
        clouds=0.0, signs=("parking", "notice", "limit"), turn=0.25, roof=2.7, grain=0.06,
    ),
    "snow": Background(
        ("overcast", "foggy", "clear"), (176, 178, 184), SNOW, 3.2, "", (("snowbank", "villas"),
        ("snowbank",)),
        "woods", ("bare", "conifers"), grain=0.07, signs=("direction", "limit", "warning", "notice"),
    ),
    "rain_dusk": Background(
        ("dusk", "overcast"), WET, (70, 72, 74), 4.2, "lanes", (("lit_houses",), ("shops",)), "lit_houses",
        ("lit_lamps", "trees"), grain=0.05, clouds=0.6, wet=True,
    ),
    "concrete_yard": Background(
        _DAY, CONCRETE, CONCRETE, 6.0, "", (("concrete",), ("hall",)), "concrete", ("cones",), grain=0.08,
        signs=("notice", "parking", "limit"), turn=0.3,
    ),
    "toll_gate": Background(
        ("clear", "overcast", "dusk"), PALE_ASPHALT, CONCRETE, 8.0, "lanes", (("rail",), ("rail",)), "toll",
        ("cones",), signs=("direction", "limit", "gantry", "notice"), turn=0.02,
    ),
    "brick_alley": Background(
        ("overcast", "clear", "dusk"), (100, 96, 92), (110, 104, 98), 3.0, "", (("brick",),
        ("brick",)), "brick",
        (), grain=0.14, signs=("street_name", "notice", "parking"),
    ),
    "desert": Background(
        ("clear", "golden"), (132, 122, 108), SAND, 3.8, "edges", ((), ()), "mountains", ("palms",),
        grain=0.13,
        clouds=0.3, signs=("direction", "limit", "warning", "billboard"),
    ),
    "country_road": Background(
        (*_DAY, "foggy"), ASPHALT, GRASS, 2.9, "edges", (("fields",), ("fields",)), "hills", ("trees",
        "bushes"),
        grain=0.12, signs=("direction", "limit", "warning", "street_name"),
    ),
    "harbour": Background(
        ("clear", "overcast", "golden"), CONCRETE, CONCRETE, 6.5, "edges", (("containers",),
        ("containers",)), "sea",
        ("lamps",), grain=0.09, signs=("notice", "limit", "direction"), turn=0.12,
    ),
    "petrol_station": Background(
        ("clear", "overcast", "dusk"), (122, 120, 116), CONCRETE, 7.0, "", (("pumps",), ("shops",)), "hall",
        ("lamps",), grain=0.06, signs=("billboard", "notice", "limit"), turn=0.15,
    ),
    "coast_road": Background(
        ("clear", "golden", "overcast"), PALE_ASPHALT, SAND, 3.6, "lanes", (("rail",), ("rocks",)),
        "sea", ("palms",),
        signs=("direction", "limit", "warning"),
    ),
    "gravel_lot": Background(
        _DAY, GRAVEL, DRY, 7.0, "", (("fence",), ("hedge",)), "woods", ("bushes", "trees"), grain=0.24,
        signs=("notice", "parking", "billboard"), turn=0.35,
    ),
}  # fmt: skip
