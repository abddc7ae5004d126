"""The config's schema and the renderers have the same names, defaults and limits; no old picture stays."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from detectnet.errors import UserError
from detectnet.sources.synthetic.clip import ClipSettings
from detectnet.sources.synthetic.render import Settings, render_source

SCHEMA = Path(__file__).resolve().parents[3] / "config" / "schema.yaml"
DEFINED = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["$defs"]
READERS = {"scenes": Settings, "clip": ClipSettings}
LIMITS = [
    (kind, name, word)
    for kind in READERS
    for name, one in DEFINED[kind]["properties"].items()
    for word in ("minimum", "maximum")
    if word in one and name != "seed"
]


@pytest.mark.parametrize("kind", READERS)
def test_the_schema_has_the_names_and_defaults_of_the_code(kind: str) -> None:
    defined, reader = DEFINED[kind]["properties"], READERS[kind]
    assert set(defined) == {field.name for field in fields(reader)}
    for field in fields(reader):
        if "default" in defined[field.name]:
            stated = defined[field.name]["default"]
            assert (tuple(stated) if isinstance(stated, list) else stated) == field.default
        else:
            assert field.name in {*DEFINED[kind]["required"], "layouts", "fonts", "backgrounds"}


@pytest.mark.parametrize("kind", READERS)
def test_absent_names_are_what_the_schema_says(kind: str) -> None:
    for name in ("layouts", "fonts", "backgrounds"):
        said = DEFINED[kind]["properties"][name]["description"].split("; ")[1]
        absent = getattr(READERS[kind](), name)
        assert said == f"{absent[0] if absent else 'all'} where absent."


@pytest.mark.parametrize(("kind", "name", "word"), LIMITS)
def test_the_code_allows_what_the_schema_allows(kind: str, name: str, word: str) -> None:
    one = DEFINED[kind]["properties"][name]
    step = one.get("multipleOf", 1) * (1 if word == "maximum" else -1)
    READERS[kind].read({name: one[word]})
    with pytest.raises(UserError, match=f"settings.{name}"):
        READERS[kind].read({name: one[word] + step})


@pytest.mark.parametrize(("kind", "name"), [("scenes", "width"), ("scenes", "height"), ("clip", "fps")])
def test_both_limits_stand_in_the_schema(kind: str, name: str) -> None:
    assert {(kind, name, "minimum"), (kind, name, "maximum")} <= set(LIMITS)


def test_plate_widths_have_the_limits_of_the_schema() -> None:
    items = DEFINED["scenes"]["properties"]["plate_width"]["items"]
    low, high = items["minimum"], items["maximum"]
    Settings.read({"plate_width": [low, high]})
    for beyond in ([low - 0.5, high], [low, high + 0.5]):
        with pytest.raises(UserError, match="plate_width"):
            Settings.read({"plate_width": beyond})


def test_pictures_of_a_larger_earlier_run_go(tmp_path: Path) -> None:
    settings = {"seed": 4, "width": 320, "height": 240}
    for count in (3, 1):
        render_source({**settings, "count": count}, tmp_path)
        for folder in ("images", "labels"):
            assert len(list((tmp_path / folder).iterdir())) == count
