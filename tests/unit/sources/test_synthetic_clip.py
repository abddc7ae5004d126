"""The film of passing cars: length, size, labels, sameness."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from detectnet.errors import UserError
from detectnet.sources.synthetic.clip import ClipSettings, render_clip

SETTINGS = {"seed": 6, "seconds": 2, "fps": 10, "width": 320, "height": 180}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "passing.mp4"
    render_clip(SETTINGS, path)
    return path


@pytest.mark.slow
def test_the_film_has_the_length_and_size_that_were_asked_for(film):
    video = cv2.VideoCapture(str(film))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    pictures = []
    while True:
        there, picture = video.read()
        if not there:
            break
        pictures.append(picture)
    assert len(pictures) == 20
    assert pictures[0].shape == (180, 320, 3)
    assert np.abs(pictures[0].astype(int) - pictures[-1]).mean() > 1  # something moves


@pytest.mark.slow
def test_labels_lie_in_the_film_and_move_from_frame_to_frame(film):
    table = pd.read_csv(film.with_suffix(".labels.csv"))
    assert list(table.columns) == ["frame", "x1", "y1", "x2", "y2"]
    assert table["frame"].between(0, 19).all() and table["frame"].nunique() >= 15
    assert (table["x1"] >= 0).all() and (table["x2"] <= 320).all() and (table["y2"] <= 180).all()
    assert (table["x2"] - table["x1"] >= 2.9).all()  # 6 pixels at 640
    widest = table.assign(width=table["x2"] - table["x1"]).groupby("frame")["width"].max()
    assert widest.nunique() > 5


@pytest.mark.slow
def test_the_same_seed_gives_the_same_film(film, tmp_path):
    render_clip(SETTINGS, tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").read_bytes() == film.read_bytes()
    assert (tmp_path / "again.labels.csv").read_bytes() == film.with_suffix(".labels.csv").read_bytes()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"backgrounds": ["streat"]}, "Did you mean 'street'?"),
        ({"second": 3}, "Did you mean 'seconds'?"),
        ({"width": 321}, "even"),
        ({"fps": 0}, "1 to 60"),
    ],
)
def test_impossible_settings_are_named(settings, named):
    with pytest.raises(UserError) as caught:
        ClipSettings.read(settings)
    assert named in str(caught.value)
