"""Every augmentation field by itself: how its draws are distributed, and what one does, in plain numbers."""

import math

import numpy as np
import pytest

from detectnet.network.augmentation import AugmentationSettings, apply, clip_boxes, draw, transform_boxes

WIDTH, HEIGHT = 320, 192
DRAWS = 3000
CUT_SIGMA = 0.8796  # standard deviation of a standard normal that is cut at two sigma


def settings(**fields):
    return AugmentationSettings(WIDTH, HEIGHT, **fields)


def moved(change, *points):
    """Where points of the given picture lie in the changed one."""
    back = np.linalg.inv(change.matrix)
    return [tuple(float(one) for one in (np.array([x, y, 1.0]) @ back)[:2]) for x, y in points]


def draws(made, count=DRAWS):
    return [draw(made, 11, sample) for sample in range(count)]


def test_without_any_field_nothing_changes():
    change = draw(settings(), 1, 2)
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    assert np.array_equal(apply(picture, change, settings()), picture)
    box = np.array([[3.0, 4, 50, 60]])
    assert np.array_equal(transform_boxes(box, change.matrix), box)


@pytest.mark.parametrize("field", ["hflip", "vflip"])
def test_flips_are_as_frequent_as_asked_and_mirror_points(field):
    """vflip_probability has no effect in TAO."""
    flipped = 0
    for change in draws(settings(**{field: 0.3})):
        (found,) = moved(change, (50.0, 30.0))
        mirrored = (WIDTH - 50.0, 30.0) if field == "hflip" else (50.0, HEIGHT - 30.0)
        assert found in ((50.0, 30.0), mirrored)
        flipped += found == mirrored
    # four standard deviations of a binomial
    assert flipped / DRAWS == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / DRAWS))


def test_shifts_are_whole_pixels_and_all_alike_to_the_largest_of_both_signs():
    shifts = np.array([moved(change, (0.0, 0.0))[0] for change in draws(settings(translate=(3, 2)))])
    for axis, most in enumerate((3, 2)):
        values, counts = np.unique(shifts[:, axis], return_counts=True)
        assert values.tolist() == list(range(-most, most + 1))
        share = 1 / len(values)
        assert counts / DRAWS == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / DRAWS))
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 4 / math.sqrt(DRAWS)


def test_one_shift_moves_pixels_and_boxes_exactly():
    made = settings(translate=(30, 20), fill=0.0)
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    for sample in range(10):
        change = draw(made, 2, sample)
        x, y = (int(one) for one in moved(change, (0.0, 0.0))[0])
        expected = np.zeros_like(picture)
        expected[max(y, 0) : HEIGHT + min(y, 0), max(x, 0) : WIDTH + min(x, 0)] = picture[
            max(-y, 0) : HEIGHT - max(y, 0), max(-x, 0) : WIDTH - max(x, 0)
        ]
        assert np.array_equal(apply(picture, change, made), expected)


def test_zoom_is_uniform_and_its_window_anywhere():
    """r > 1 makes the content smaller by r, as TAO's default loader does; r < 1 shows a part of it."""
    factors, places = [], []
    for change in draws(settings(zoom=(0.5, 2.0))):
        (left, top), (right, bottom) = moved(change, (0.0, 0.0), (WIDTH, HEIGHT))
        zoom = WIDTH / (right - left)
        assert HEIGHT / (bottom - top) == pytest.approx(zoom)  # one value for both axes
        factors.append(zoom)
        if abs(zoom - 1) > 0.05:
            places.append((left / (WIDTH - WIDTH / zoom), top / (HEIGHT - HEIGHT / zoom)))
    for values, low, high in (
        (factors, 0.5, 2.0),
        *((column, 0.0, 1.0) for column in zip(*places, strict=True)),
    ):
        span = high - low
        assert low - 1e-9 <= min(values)
        assert max(values) <= high + 1e-9
        assert np.mean(values) == pytest.approx((low + high) / 2, abs=4 * span / math.sqrt(12 * len(values)))
        assert np.std(values) == pytest.approx(span / math.sqrt(12), rel=0.05)


def test_rotation_is_about_the_centre_in_radians_and_as_frequent_as_asked():
    """TAO's default loader takes the radians for degrees."""
    angles = []
    for change in draws(settings(rotate=0.4, rotate_probability=0.6)):
        (center, right) = moved(change, (WIDTH / 2, HEIGHT / 2), (WIDTH / 2 + 10, HEIGHT / 2))
        assert center == pytest.approx((WIDTH / 2, HEIGHT / 2))
        assert math.dist(center, right) == pytest.approx(10)
        angles.append(math.atan2(right[1] - center[1], right[0] - center[0]))
    turned = np.array([angle for angle in angles if abs(angle) > 1e-12])
    assert len(turned) / DRAWS == pytest.approx(0.6, abs=4 * math.sqrt(0.6 * 0.4 / DRAWS))
    assert 0.39 < np.abs(turned).max() <= 0.4
    assert turned.mean() == pytest.approx(0, abs=4 * 0.8 / math.sqrt(12 * len(turned)))
    assert turned.std() == pytest.approx(0.8 / math.sqrt(12), rel=0.05)


def test_the_way_back_is_flip_then_shift_then_zoom():
    """The order of TAO's matrices, which lead back to the given picture: zoom does not scale the shift."""
    made = settings(hflip=1.0, translate=(12, 8), zoom=(2.0, 2.0))
    beyond = []
    for change in draws(made, 400):
        (right, top), (left, bottom) = moved(change, (0.0, 0.0), (WIDTH, HEIGHT))
        assert right - left == pytest.approx(WIDTH / 2)
        assert bottom - top == pytest.approx(HEIGHT / 2)
        beyond.append((max(-left, right - WIDTH), max(-top, bottom - HEIGHT)))
    for most, axis in zip((12, 8), zip(*beyond, strict=True), strict=True):
        assert most / 2 + 1 < max(axis) <= most + 1e-9


def test_a_box_becomes_the_hull_of_its_four_corners_and_is_cut_to_the_picture():
    """TAO moves two of them and does not cut."""
    made = settings(rotate=0.5, translate=(90, 60), zoom=(0.7, 1.4), hflip=0.5)
    box = (30.0, 20.0, 130.0, 80.0)
    for change in draws(made, 100):
        corners = moved(change, box[:2], (box[2], box[1]), box[2:], (box[0], box[3]))
        xs, ys = zip(*corners, strict=True)
        hull = transform_boxes(np.array([box]), change.matrix)
        assert hull[0] == pytest.approx((min(xs), min(ys), max(xs), max(ys)))
        cut, _ = clip_boxes(hull, made)
        expected = [min(max(one, 0), edge) for one, edge in zip(hull[0], (WIDTH, HEIGHT) * 2, strict=True)]
        assert cut[0] == pytest.approx(expected)


def test_boxes_below_the_smallest_size_are_left_out_afterwards():
    """TAO's default loader has min_bbox_width and min_bbox_height, and does not look at them."""
    made = settings(minimum_box=(12.0, 6.0))
    boxes = np.array([[0, 0, 12, 6], [0, 0, 11.9, 6], [0, 0, 12, 5.9], [-50, 0, 11, 50], [310, 0, 400, 50.0]])
    assert clip_boxes(boxes, made)[1].tolist() == [True, False, False, False, False]


# Colour ---------------------------------------------------------------------------------------------


def color_of(change, red, green, blue):
    return (np.array([red, green, blue, 1.0]) @ change.color).tolist()


def test_brightness_is_one_offset_of_a_normal_cut_at_two_sigma():
    offsets = []
    for change in draws(settings(brightness=0.1)):
        found = np.array(color_of(change, 0.2, 0.5, 0.7)) - [0.2, 0.5, 0.7]
        assert np.ptp(found) < 1e-12
        offsets.append(found[0])
    assert np.abs(offsets).max() <= 0.2
    assert np.mean(offsets) == pytest.approx(0, abs=4 * 0.1 / math.sqrt(DRAWS))
    assert np.std(offsets) == pytest.approx(0.1 * CUT_SIGMA, rel=0.05)


def test_contrast_stretches_about_its_center_by_half_its_maximum_in_sigma():
    factors = []
    for change in draws(settings(contrast=0.6, contrast_center=0.4)):
        made = color_of(change, 0.4, 0.9, 0.1)
        assert made[0] == pytest.approx(0.4)
        k = (made[1] - 0.4) / 0.5 - 1
        assert made[2] == pytest.approx((1 + k) * 0.1 - k * 0.4)
        factors.append(k)
    assert np.abs(factors).max() <= 0.6
    assert np.std(factors) == pytest.approx(0.3 * CUT_SIGMA, rel=0.05)


K = ((0.299, 0.299, 0.299), (0.587, 0.587, 0.587), (0.114, 0.114, 0.114))
P = ((0.701, -0.299, -0.299), (-0.587, 0.413, -0.587), (-0.114, -0.114, 0.886))
Q = ((0.168, -0.328, 1.25), (0.330, 0.035, -1.05), (-0.497, 0.292, -0.203))


def turned(color, degrees, saturation):
    """Hue and saturation by the reference's matrices, entry by entry."""
    angle = math.radians(degrees)
    return [
        sum(
            color[row]
            * (
                K[row][column]
                + saturation * (math.cos(angle) * P[row][column] + math.sin(angle) * Q[row][column])
            )
            for row in range(3)
        )
        for column in range(3)
    ]


def test_saturation_is_uniform_and_scales_the_distance_from_grey():
    color, shifts = (0.8, 0.3, 0.1), []
    grey = 0.299 * 0.8 + 0.587 * 0.3 + 0.114 * 0.1
    for change in draws(settings(saturation=0.3)):
        made = color_of(change, *color)
        share = (made[0] - grey) / (0.8 - grey)
        assert made == pytest.approx(turned(color, 0, share), abs=1e-9)
        shifts.append(share - 1)
    assert np.abs(shifts).max() <= 0.3
    assert np.std(shifts) == pytest.approx(0.6 / math.sqrt(12), rel=0.05)


def test_hue_turns_by_half_its_maximum_in_sigma_and_never_beyond_it():
    color, angles = (0.8, 0.3, 0.1), []
    for change in draws(settings(hue=25.0)):
        made = color_of(change, *color)
        # two of three channels give cosine and sine
        left = [
            [sum(color[row] * part[row][column] for row in range(3)) for part in (P, Q)] for column in (0, 1)
        ]
        grey = sum(color[row] * K[row][0] for row in range(3))
        cosine, sine = np.linalg.solve(left, np.array(made[:2]) - grey)
        angle = math.degrees(math.atan2(sine, cosine))
        assert made == pytest.approx(turned(color, angle, 1.0), abs=1e-9)
        angles.append(angle)
    assert np.abs(angles).max() <= 25
    assert np.std(angles) == pytest.approx(12.5 * CUT_SIGMA, rel=0.05)


def test_contrast_comes_first_then_hue_and_saturation_then_brightness_then_the_cut():
    """The draws of one sample are the same whichever fields are set, so that each can be read off alone."""
    fields = {"contrast": 0.5, "contrast_center": 0.4, "hue": 40.0, "saturation": 0.4, "brightness": 0.3}
    color = (0.9, 0.5, 0.1)
    for sample in range(30):
        whole = draw(settings(**fields), 3, sample)
        contrast = draw(settings(contrast=0.5, contrast_center=0.4), 3, sample)
        turn = draw(settings(hue=40.0, saturation=0.4), 3, sample)
        offset = color_of(draw(settings(brightness=0.3), 3, sample), 0, 0, 0)[0]
        expected = [one + offset for one in color_of(turn, *color_of(contrast, *color))]
        assert color_of(whole, *color) == pytest.approx(expected, abs=1e-9)
        picture = np.full((HEIGHT, WIDTH, 3), np.round(255 * np.array(color)), np.uint8)
        exact = color_of(whole, *(picture[0, 0] / 255))
        seen = apply(picture, whole, settings(**fields))[5, 5] / 255
        assert seen == pytest.approx(np.clip(exact, 0, 1), abs=0.6 / 255)


def test_one_channel_takes_no_color():
    grey = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 1), np.uint8)
    made = settings(contrast=0.9, brightness=0.3)
    assert np.array_equal(apply(grey, draw(made, 1, 1), made), grey)
