"""Parts of the synthetic scenes: camera, canvas, plates, registries, effects."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from detectnet.sources.synthetic.backgrounds import BACKGROUNDS
from detectnet.sources.synthetic.bodies import BODIES
from detectnet.sources.synthetic.camera import NEAR, Camera
from detectnet.sources.synthetic.canvas import SCALE, Canvas
from detectnet.sources.synthetic.effects import Effects, develop, draw_effects, encode
from detectnet.sources.synthetic.fonts import FONTS, font
from detectnet.sources.synthetic.layouts import LAYOUTS
from detectnet.sources.synthetic.meshes import mesh
from detectnet.sources.synthetic.plates import draw_plate
from detectnet.sources.synthetic.structures import FAR, SIDES
from detectnet.sources.synthetic.weather import LIGHTS

ANGLE = st.floats(-0.5, 0.5)


@given(pan=ANGLE, pitch=ANGLE, roll=ANGLE)
def test_the_camera_agrees_with_opencv(pan, pitch, roll):
    camera = Camera(640, 480, 500.0, (1.0, 2.0, 1.5), pan, pitch, roll)
    points = np.array([(2.0, 12.0, 0.5), (-1.0, 9.0, 2.0), (0.5, 20.0, 0.0)])
    turn, _ = cv2.Rodrigues(camera.rotation)
    shift = -camera.rotation @ np.array(camera.position)
    matrix = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    expected, _ = cv2.projectPoints(points, turn, shift, matrix, None)
    pixels, depth = camera.project(points)
    np.testing.assert_allclose(pixels, expected[:, 0], atol=1e-4)
    assert (depth > 0).all()
    np.testing.assert_allclose(np.linalg.det(camera.rotation), 1.0)


@settings(max_examples=30)
@given(u=st.floats(50, 590), v=st.floats(50, 430), roll=st.floats(-0.15, 0.15))
def test_an_aimed_camera_sees_the_point_where_it_was_told_to(u, v, roll):
    camera = Camera(640, 480, 600.0, (0.0, 0.0, 2.0), roll=roll).aimed((1.0, 9.0, 0.5), u, v)
    pixel, _ = camera.project(np.array([1.0, 9.0, 0.5]))
    np.testing.assert_allclose(pixel, (u, v), atol=0.5)


def test_an_upright_level_camera_has_the_horizon_in_the_middle():
    camera = Camera(640, 480, 500.0, (0.0, 0.0, 1.5))
    pixel, _ = camera.project(np.array([[0.0, 1e6, 0.0], [1.0, 10.0, 1.5], [0.0, 10.0, 2.5]]))
    np.testing.assert_allclose(pixel, [(320, 240), (370, 240), (320, 190)], atol=1e-2)


def test_polygons_are_cut_at_the_near_plane():
    camera = Camera(640, 480, 500.0, (0.0, 0.0, 1.0))
    ahead = np.array([(-1.0, 5.0, 0.0), (1.0, 5.0, 0.0), (1.0, -5.0, 0.0), (-1.0, -5.0, 0.0)])
    outline = camera.outline(ahead)
    assert outline is not None and np.isfinite(outline).all()
    assert outline[:, 1].max() == pytest.approx(240 + 500 * 1.0 / NEAR)
    assert camera.outline(ahead - (0.0, 20.0, 0.0)) is None


def test_a_polygon_covers_the_pixels_whose_centres_lie_inside():
    canvas = Canvas(np.zeros((40, 60, 3), np.uint8))
    canvas.polygon(np.array([(10.0, 8.0), (30.0, 8.0), (30.0, 20.0), (10.0, 20.0)]), (255, 0, 0), 7)
    rows, columns = np.nonzero(canvas.identities() == 7)
    extent = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / SCALE
    np.testing.assert_allclose(extent, (10, 8, 30, 20), atol=1 / SCALE)


def test_a_pasted_sprite_lands_upright_and_names_its_pixels():
    sprite = np.zeros((20, 40, 3), np.uint8)
    sprite[:10, :20] = (255, 0, 0)
    sprite[10:, 20:] = (0, 0, 255)
    canvas = Canvas(np.zeros((50, 80, 3), np.uint8))
    canvas.paste(sprite, np.array([(10.0, 10.0), (50.0, 10.0), (50.0, 30.0), (10.0, 30.0)]), 3)
    picture = canvas.picture()
    np.testing.assert_array_equal(picture[14, 20], (255, 0, 0))
    np.testing.assert_array_equal(picture[26, 40], (0, 0, 255))
    assert picture[:9].max() == 0 and picture[32:].max() == 0
    edge = (40 + 20) * SCALE + 1  # OpenCV's filling takes in the pixels on the right and lower edge
    assert 40 * 20 * SCALE**2 <= (canvas.identities() == 3).sum() <= 40 * 20 * SCALE**2 + edge


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_drawn_with_its_own_proportions_and_legible_ink(name):
    plate = draw_plate(name, "roboto-bold", np.random.default_rng(1))
    layout = LAYOUTS[name]
    height, width = plate.sprite.shape[:2]
    assert width / height == pytest.approx(layout.width / layout.height, rel=0.02)
    assert (plate.width, plate.height) == (layout.width / 1000, layout.height / 1000)
    assert any(sign.isdigit() for sign in plate.text) and len(plate.text) >= 4
    grey = cv2.cvtColor(plate.sprite, cv2.COLOR_RGB2GRAY)
    assert np.percentile(grey, 98) - np.percentile(grey, 2) > 60


def test_the_registries_are_large_and_whole():
    assert len(LAYOUTS) >= 14 and len(BACKGROUNDS) >= 12 and len(FONTS) >= 10
    for name in FONTS:
        assert font(name, 20).getlength("AB 12") > 10
    for place in BACKGROUNDS.values():
        assert set(place.lights) <= set(LIGHTS)
        assert {name for side in place.sides for name in side} <= set(SIDES)
        assert place.far == "" or place.far in FAR


@pytest.mark.parametrize("name", [name for name in BODIES if name != "motorcycle"])
def test_bodies_are_closed_shapes_whose_normals_look_outwards(name):
    parts = mesh(name, 10)
    centres = parts.quads.mean(axis=1)
    inside = np.array([np.ptp(centres[:, 0]) / 2, 0.0, 0.45 * centres[:, 2].max()])
    upper = np.abs(parts.normals[:, 1]) > 0.7
    assert (np.sum((centres - inside) * parts.normals, axis=1)[upper] > 0).all()
    assert parts.normals[parts.normals[:, 2] > 0.9].shape[0] > 5
    assert np.abs(centres[:, 1].sum()) < 1e-6 * len(centres) + 1e-3


def test_a_perfect_camera_changes_nothing_but_the_edges_brightness():
    picture = np.full((90, 160, 3), 120, np.uint8)
    done = develop(picture, Effects())
    assert abs(int(done[45, 80, 0]) - 120) <= 1
    assert done[0, 0, 0] < done[45, 80, 0]


def test_noise_and_blur_have_the_strength_that_they_say():
    flat = np.full((300, 300, 3), 120, np.uint8)
    done = develop(flat, Effects(noise=6.0, colour_noise=0.5, seed=5)).astype(float)
    assert done[100:200, 100:200, 1].std() == pytest.approx(6.0, rel=0.12)
    edge = np.zeros((60, 60, 3), np.uint8)
    edge[:, 30:] = 200
    soft = develop(edge, Effects(defocus=2.0))[30, :, 0].astype(float)
    expected = ndimage.gaussian_filter(edge[..., 0].astype(float), 2.0)[30]
    np.testing.assert_allclose(soft[20:42], expected[20:42], atol=5)


def test_grey_pictures_have_equal_channels_and_files_hold_rgb():
    rng = np.random.default_rng(3)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (80, 120, 3), np.uint8), (0, 0), 3)
    grey = develop(picture, Effects(grey=True, noise=4.0))
    assert np.ptp(grey.astype(int), axis=2).max() == 0
    back = cv2.cvtColor(cv2.imdecode(np.frombuffer(encode(picture, 98), np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert np.abs(back.astype(int) - picture).mean() < 4


def test_effects_are_mostly_mild():
    drawn = [draw_effects(np.random.default_rng(i), 960, False) for i in range(300)]
    assert np.median([one.defocus for one in drawn]) < 0.6
    assert 0.03 < np.mean([one.grey for one in drawn]) < 0.2
    assert all(35 <= one.quality <= 97 for one in drawn)
