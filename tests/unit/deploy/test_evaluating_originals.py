"""The original pictures as DeepStream shows them to a network that knows the answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_networks import BrightRectangle, contract, scene

from detectnet.contract import STRETCH
from detectnet.data import manifest
from detectnet.data.letterbox import letterbox_geometry
from detectnet.deploy.originals import Originals
from detectnet.detection.deepstream_views import View, look
from detectnet.detection.scoring import Picture
from detectnet.errors import UserError

WANTED = contract(320, 320, classes=("plate",))
BOX = (200, 100, 360, 180)
FRAME = (640, 640)


def source(folder, name, pictures):
    """A source as the converter leaves it: pictures of any size and kind, and their manifest."""
    (folder / name / "images").mkdir(parents=True)
    rows = []
    for file, picture in pictures.items():
        Image.fromarray(picture).save(folder / name / file)
        height, width = picture.shape[:2]
        rows.append((file, "", width, height, "", "", file, name, 1))
    manifest.write(folder / name / "manifest.csv", pd.DataFrame(rows, columns=manifest.COLUMNS))
    return folder


@pytest.fixture
def data(tmp_path):
    pictures = {"images/a.b#t=1.png": scene(640, 320, [BOX]), "images/tall.png": scene(300, 600, [])}
    return source(tmp_path, "road", pictures)


def centre(decoded):
    """The mean box of all candidates, in the pixels of the ground truth."""
    boxes, coverage = decoded.candidates["plate"]
    assert len(boxes) and (coverage > 0.7).all()
    return boxes.mean(axis=0) * (decoded.factors * 2)


def test_what_is_found_in_every_view_is_where_the_records_have_it(data):
    camera = Originals(BrightRectangle(WANTED), WANTED, data, FRAME)
    assert camera.views == (View("bilinear"), View("nearest"), View("bilinear", "640x640"))
    truth = letterbox_geometry(640, 320, 320, 320).forward(np.array(BOX, dtype=float))
    pictures = [Picture("images/a.b#t=1", "road", {"plate": truth[None]}, {})]
    seen = look(pictures, camera, WANTED)
    for view in camera.views:
        np.testing.assert_allclose(centre(seen[view][0]), truth, atol=1.5)
    # Stretched to a square, a plate is twice as high in the input; the records know nothing of that.
    plain, wide = (seen[view][0] for view in (camera.views[0], camera.views[2]))
    high = [one.candidates["plate"][0].mean(axis=0) @ [0, -1, 0, 1] for one in (plain, wide)]
    assert high[1] == pytest.approx(2 * high[0], abs=2)
    assert plain.factors == (1.0, 1.0) and wide.factors == pytest.approx((1.0, 0.5))


def test_nothing_is_found_where_nothing_is(data):
    seen = Originals(BrightRectangle(WANTED), WANTED, data)("road", "images/tall")
    assert len(seen) == 2 and not any(one.cov.any() for one in seen)


def test_a_network_for_stretched_pictures_gets_them(data):
    stretched = contract(320, 320, classes=("plate",), letterbox=STRETCH)
    camera = Originals(BrightRectangle(stretched), stretched, data)
    truth = np.array(BOX) * [0.5, 1, 0.5, 1]
    pictures = [Picture("images/a.b#t=1", "road", {"plate": truth[None]}, {})]
    seen = look(pictures, camera, stretched)
    np.testing.assert_allclose(centre(seen[camera.views[0]][0]), truth, atol=1.5)


def test_a_picture_is_fed_as_the_contract_says(data):
    fed = []

    def network(inputs):
        fed.append(inputs)
        return BrightRectangle(WANTED)(inputs)

    embedded = contract(320, 320, classes=("plate",), scale=1.0, channel_order="BGR")
    Originals(network, embedded, data)("road", "images/a.b#t=1")
    rgb = np.asarray(Image.open(data / "road" / "images" / "a.b#t=1.png"))
    assert fed[0].shape == (2, 3, 320, 320) and fed[0].dtype == np.float32
    # Exactly half the size: nearest takes every second pixel of the original.
    np.testing.assert_array_equal(fed[0][1][:, :160], rgb[::2, ::2, ::-1].transpose(2, 0, 1))


def test_mistakes_are_refused_with_their_place(data):
    camera = Originals(BrightRectangle(WANTED), WANTED, data)
    with pytest.raises(UserError, match=r"road.manifest\.csv: the picture images/gone of the records"):
        camera("road", "images/gone")
    with pytest.raises(UserError, match="manifest does not exist"):
        camera("nowhere", "images/a")
    with pytest.raises(UserError, match=r"cannot scale with 'area'.*linear, nearest"):
        Originals(BrightRectangle(WANTED), contract(320, 320, interpolation="area"), data)
