"""Light, weather and cheap cameras, one by one, against plain numbers."""

import dataclasses
import math

import cv2
import numpy as np
import pytest

from detectnet.network.augmentation import AugmentationSettings, apply, draw
from detectnet.network.augmentation.weather import Fog, Shadow

WIDTH, HEIGHT, DRAWS = 320, 192, 1500
PLAIN = AugmentationSettings(WIDTH, HEIGHT)
NOTHING = draw(PLAIN, 0, 0)
PICTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def settings(**fields):
    return dataclasses.replace(PLAIN, **fields)


def changed(picture=PICTURE, **change):
    return apply(picture, dataclasses.replace(NOTHING, **change), PLAIN)


def draws(made):
    return [draw(made, 3, sample) for sample in range(DRAWS)]


def none_of_half(values, most):
    """Half of the values are 0, the others uniform up to the most."""
    values = np.array(values)
    some = values[values > 0]
    assert len(some) / DRAWS == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / DRAWS))
    assert values.max() <= most
    assert some.mean() == pytest.approx(most / 2, abs=4 * most / math.sqrt(12 * len(some)))


@pytest.mark.parametrize(
    "extension",
    [
        {"gamma": 2.0},
        {"white_balance": 0.3},
        {"motion_blur": 8.0},
        {"fog": 0.5},
        {"shadow": 1.0},
        {"downscale": 3.0},
        {"object_window": 1.0},
    ],
)
def test_extensions_leave_the_draws_of_the_other_fields_alone(extension):
    usual = settings(
        hflip=0.5, zoom=(0.7, 1.4), rotate=0.2, blur=1.0, noise=0.02, jpeg_quality=40, brightness=0.1
    )
    for sample in range(20):
        one, other = draw(usual, 5, sample), draw(dataclasses.replace(usual, **extension), 5, sample)
        for name in ("zoom", "matrix", "blur", "noise", "noise_start", "jpeg_quality", "resampling"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
        assert np.array_equal(one.color[3], other.color[3])


def test_gamma_raises_values_to_a_power_and_is_log_uniform():
    ramp = np.tile(np.arange(256, dtype=np.uint8)[:HEIGHT, None, None], (1, WIDTH, 3))
    for gamma in (0.5, 1.8):
        expected = [round(255 * (value / 255) ** gamma) for value in range(HEIGHT)]
        assert changed(ramp, gamma=gamma)[:, 7, 1].tolist() == expected
    logs = np.log2([change.gamma for change in draws(settings(gamma=2.0))])
    assert np.abs(logs).max() <= 1
    assert logs.mean() == pytest.approx(0, abs=4 * 2 / math.sqrt(12 * DRAWS))
    assert logs.std() == pytest.approx(2 / math.sqrt(12), rel=0.05)


def test_white_balance_gives_every_channel_a_gain_of_its_own():
    gains = np.array([np.diag(change.color[:3]) for change in draws(settings(white_balance=0.2))])
    assert np.abs(gains - 1).max() <= 0.2
    assert gains.std(axis=0) == pytest.approx(0.4 / math.sqrt(12), rel=0.05)
    assert np.abs(np.corrcoef(gains.T)[np.triu_indices(3, 1)]).max() < 4 / math.sqrt(DRAWS)
    made = settings(white_balance=0.2)
    change = draw(made, 3, 1)
    color = np.array([100, 90, 80])
    seen = apply(np.full((HEIGHT, WIDTH, 3), color, np.uint8), change, made)[4, 4]
    assert seen == pytest.approx(color * gains[1], abs=0.51)


def test_a_grey_picture_takes_no_tint():
    made = settings(white_balance=0.3, grey=1.0)
    assert np.ptp(apply(PICTURE, draw(made, 1, 1), made), axis=2).max() == 0


@pytest.mark.parametrize("length", [3.0, 6.0, 12.0, 20.0])
@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 250])
def test_motion_smears_a_point_along_a_line_through_it(length, degrees):
    direction = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
    points = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    points[90, 160] = 255
    smeared = changed(points, motion=tuple(length * direction))[..., 0].astype(float)
    rows, columns = np.nonzero(smeared)
    weights = smeared[rows, columns]
    assert np.average(columns, weights=weights) == pytest.approx(160, abs=0.75)
    assert np.average(rows, weights=weights) == pytest.approx(90, abs=0.75)
    offsets = np.stack([columns - 160, rows - 90], 1)
    along, aside = offsets @ direction, offsets @ [-direction[1], direction[0]]
    assert np.ptp(along) == pytest.approx(length, abs=2.5)
    assert np.abs(aside).max() <= 2
    # the standard deviation of a line
    deviation = math.sqrt(np.average(along**2, weights=weights) - np.average(along, weights=weights) ** 2)
    assert deviation == pytest.approx(length / math.sqrt(12), rel=0.2, abs=0.4)


@pytest.mark.parametrize("motion", [(9.0, 0.0), (0.0, 6.0), (6.0, 6.0)])
def test_motion_is_near_opencvs_filter_with_a_line(motion):
    kernel = np.zeros((25, 25), np.float32)
    for share in np.linspace(-0.5, 0.5, 400):
        kernel[round(12 + share * motion[1]), round(12 + share * motion[0])] += 1
    smooth = cv2.normalize(cv2.GaussianBlur(PICTURE, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    expected = cv2.filter2D(smooth, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    found, given = changed(smooth, motion=motion).astype(int), smooth.astype(int)
    assert np.abs(found - expected).mean() < 0.2 * np.abs(given - expected).mean()


def test_motion_goes_in_any_direction_for_half_of_the_pictures():
    motions = np.array([change.motion for change in draws(settings(motion_blur=10.0))])
    none_of_half(np.hypot(*motions.T), 10.0)
    moved = motions[np.hypot(*motions.T) > 0]
    turns = np.angle(moved[:, 0] + 1j * moved[:, 1])
    assert abs(np.exp(1j * turns).mean()) < 4 / math.sqrt(len(turns))


def test_fog_is_a_share_of_light_grey_that_thins_out_downwards():
    seen = changed(fog=Fog(0.5, 200.0))
    for row, share in ((0, 0.5), (HEIGHT - 1, 0.2)):
        expected = PICTURE[row] * (1 - share) + 200 * share
        assert np.abs(seen[row] - expected).max() <= 0.51
    fogs = [change.fog for change in draws(settings(fog=0.6))]
    shares = np.array([one.share for one in fogs if one])
    assert len(shares) / DRAWS == pytest.approx(0.5 * (1 - 0.01 / 0.6), abs=4 * math.sqrt(0.25 / DRAWS))
    assert 0.55 < shares.max() <= 0.6
    greys = np.array([one.grey for one in fogs if one])
    assert greys.min() >= 180
    assert greys.max() <= 240


def test_a_shadow_darkens_one_side_of_a_line():
    made = settings(shadow=1.0)
    bright = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    factors, shares = [], []
    for sample in range(200):
        change = draw(made, 4, sample)
        seen = apply(bright, change, made)[..., 0]
        values = np.unique(seen)
        assert set(values.tolist()) <= {200, round(200 * change.shadow.factor)}
        factors.append(change.shadow.factor)
        dark = seen < 200
        shares.append(dark.mean())
        if 0.02 < dark.mean() < 0.98:
            # the line through the two first corners parts dark from light, up to a pixel
            (x1, y1), (x2, y2) = change.shadow.corners[:2].astype(float)
            rows, columns = np.mgrid[:HEIGHT, :WIDTH]
            side = ((columns - x1) * (y2 - y1) - (rows - y1) * (x2 - x1)) / math.hypot(x2 - x1, y2 - y1)
            assert np.all(dark[side > 1.5]) or np.all(dark[side < -1.5])
            assert not np.any(dark[side > 1.5]) or not np.any(dark[side < -1.5])
    assert 0.3 <= min(factors) < 0.35
    assert 0.75 < max(factors) <= 0.8
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


def test_shadows_are_as_frequent_as_asked():
    count = sum(isinstance(change.shadow, Shadow) for change in draws(settings(shadow=0.3)))
    assert count / DRAWS == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / DRAWS))


@pytest.mark.parametrize("which", [0.0, 0.2, 0.4, 0.6, 0.8, 0.99])
def test_downscaling_loses_detail_and_leaves_things_where_they_are(which):
    seen = changed(downscale=(3.0, which))
    assert seen.shape == PICTURE.shape
    assert cv2.Laplacian(seen, cv2.CV_64F).var() < 0.3 * cv2.Laplacian(PICTURE, cv2.CV_64F).var()
    box = np.zeros_like(PICTURE)
    box[60:120, 90:210] = 255
    rows, columns = np.nonzero(changed(box, downscale=(3.0, which))[..., 0] >= 128)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert found == pytest.approx([90, 60, 210, 120], abs=1.5)


def test_downscaling_is_drawn_for_half_of_the_pictures_log_uniformly():
    factors = [math.log2(change.downscale[0]) for change in draws(settings(downscale=4.0))]
    none_of_half(factors, 2.0)


def test_all_of_it_takes_one_channel_and_keeps_what_was_given():
    everything = settings(
        gamma=2.0, white_balance=0.2, motion_blur=9.0, fog=0.5, shadow=1.0, downscale=3.0, noise=0.02,
        jpeg_quality=50, blur=1.0,
    )  # fmt: skip
    for channels in (1, 3):
        given = np.ascontiguousarray(PICTURE[..., :channels])
        given.setflags(write=False)
        for sample in range(12):
            made = apply(given, draw(everything, 2, sample), everything)
            assert made.shape == given.shape
            assert made.dtype == np.uint8
        assert np.array_equal(given, PICTURE[..., :channels])
