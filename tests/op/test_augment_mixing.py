"""Mosaics and pasted objects: every box on its object, no object where none was put."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from detectnet.network.augmentation import AugmentationSettings, Mixer, MixingSettings, Scene

WIDTH, HEIGHT, SIZE = 320, 192, (300, 180)
PLAIN = AugmentationSettings(WIDTH, HEIGHT, fill=0.0)
GROUNDS = (20, 30, 40, 50, 60)  # one grey of its own for every picture; objects are white in one channel
BOXES = [(40, 30, 120, 70), (150, 100, 210, 130), (30, 120, 90, 140), (200, 20, 290, 60), (100, 80, 160, 110)]


def scene(number):
    picture = np.full((SIZE[1], SIZE[0], 3), GROUNDS[number], np.uint8)
    x1, y1, x2, y2 = BOXES[number]
    picture[y1:y2, x1:x2, 1] = 255
    boxes = np.array([BOXES[number]], np.float32)
    return Scene(picture, boxes, np.array([number % 2], np.int32), (f"plate{number}",))


def mixer(seed=1, window=None, **fields):
    mixing = MixingSettings(
        **{name: fields.pop(name) for name in ("mosaic", "paste", "paste_most") if name in fields}
    )
    made = dataclasses.replace(PLAIN, mixing=mixing, **fields)
    made = made.window(*window) if window else made
    return Mixer(scene, len(BOXES), np.arange(len(BOXES)), made, seed)


def hull(bright, box, margin=3):
    """Of the bright pixels near a box."""
    x1, y1, x2, y2 = np.round(box).astype(int)
    left, top = max(x1 - margin, 0), max(y1 - margin, 0)
    rows, columns = np.nonzero(bright[top : y2 + margin, left : x2 + margin])
    return [columns.min() + left, rows.min() + top, columns.max() + 1 + left, rows.max() + 1 + top]


def without(bright, boxes, margin=2):
    """The bright pixels outside of all boxes."""
    rest = bright.copy()
    for x1, y1, x2, y2 in np.round(boxes).astype(int):
        rest[max(y1 - margin, 0) : y2 + margin, max(x1 - margin, 0) : x2 + margin] = False
    return rest


@given(
    sample=st.integers(0, 10**6), window=st.sampled_from([None, (160, 96)]), fit=st.sampled_from([0.0, 1.0])
)
@effort(max_examples=150, deadline=None)
def test_the_boxes_of_a_mosaic_lie_on_its_objects(sample, window, fit):
    made = mixer(
        mosaic=1.0, window=window, zoom=(0.8, 1.6), hflip=0.5, vflip=0.5, aspect=1.2, object_window=fit
    ).make(2, sample)
    labels, bright = made.labels, made.picture[..., 1].astype(int) - made.picture[..., 0] > 110
    assert made.sources[0] == 2
    assert len(made.sources) == 4
    assert [f"plate{number}" for number in made.sources] == list(labels.names)
    assert [number % 2 for number in made.sources] == labels.classes.tolist()
    seen = labels.kept | labels.hidden
    for box in labels.boxes[labels.kept]:
        if (box[2:] - box[:2]).min() > 6:
            found = hull(bright, box, margin=1)
            assert found == pytest.approx(box, abs=1.5)
    assert not without(bright, labels.boxes[seen]).any()


def test_four_pictures_meet_in_a_point_in_the_middle():
    xs, ys = [], []
    mixed = mixer(mosaic=1.0)
    for sample in range(150):
        made = mixed.make(0, sample)
        red = made.picture[..., 0]
        grounds = [GROUNDS[number] for number in made.sources]
        x = next((at for at in range(1, WIDTH) if red[0, at] != red[0, 0]), None)
        y = next((at for at in range(1, HEIGHT) if red[at, 0] != red[0, 0]), None)
        corners = red[0, 0], red[0, -1], red[-1, 0], red[-1, -1]
        assert list(corners) == grounds
        if x and y:
            parts = red[:y, :x], red[:y, x:], red[y:, :x], red[y:, x:]
            assert [set(np.unique(part)) for part in parts] == [{one} for one in grounds]
            xs.append(x / WIDTH)
            ys.append(y / HEIGHT)
    for shares in (xs, ys):
        assert 0.24 < min(shares) < 0.3
        assert 0.7 < max(shares) < 0.76
        assert np.mean(shares) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(12 * len(shares)))


def test_objects_that_a_mosaic_cuts_away_are_hidden_below_two_fifths():
    mixed = mixer(mosaic=1.0)
    kept, dropped = [], []
    for sample in range(200):
        labels = mixed.make(sample % 5, sample).labels
        for name, box, is_kept, is_hidden in zip(labels.names, labels.boxes, labels.kept, labels.hidden):
            x1, y1, x2, y2 = BOXES[int(name[-1])]
            share = np.prod(box[2:] - box[:2]) / ((x2 - x1) * (y2 - y1))
            (kept if is_kept else dropped).append(share)
            assert is_hidden == (0 < share < 0.4) or share == pytest.approx(0.4)
    assert min(kept) >= 0.4 - 1e-6
    assert 0 < max(dropped) < 0.4 + 1e-6


def test_mosaics_are_as_frequent_as_asked():
    mixed = mixer(mosaic=0.3)
    count = sum(len(mixed.make(0, sample).sources) == 4 for sample in range(400))
    assert count / 400 == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 400))


@given(sample=st.integers(0, 10**6), window=st.sampled_from([None, (240, 144)]), most=st.integers(1, 4))
@effort(max_examples=150, deadline=None)
def test_pasted_objects_have_their_boxes_and_cover_no_other(sample, window, most):
    made = mixer(paste=1.0, paste_most=most, window=window, zoom=(0.9, 1.6), hflip=0.5, aspect=1.2).make(
        1, sample
    )
    labels, bright = made.labels, made.picture[..., 1].astype(int) - made.picture[..., 0] > 90
    pasted = labels.boxes[1:]
    assert made.sources == (1,)
    assert len(pasted) <= most
    for number, box in enumerate(pasted):
        extent = box[2:] - box[:2]
        assert 9.5 <= extent[0] <= 160.5
        assert (box >= 0).all()
        assert (box[2:] <= [made.picture.shape[1], made.picture.shape[0]]).all()
        others = np.delete(labels.boxes, number + 1, axis=0)
        if extent.min() > 6:
            assert hull(without(bright, others), box) == pytest.approx(box, abs=1.5)
        assert not np.any(np.all((others[:, :2] < box[2:]) & (others[:, 2:] > box[:2]), axis=1))
    assert not without(bright, labels.boxes).any()
    assert labels.kept[1:].all()
    for name, kind in zip(labels.names, labels.classes, strict=True):
        assert kind == int(name[-1]) % 2


def test_pasting_is_as_frequent_as_asked_and_of_all_sizes():
    mixed, widths, count = mixer(paste=0.4, paste_most=1), [], 0
    for sample in range(500):
        boxes = mixed.make(0, sample).labels.boxes[1:]
        count += len(boxes)
        widths += (boxes[:, 2] - boxes[:, 0]).tolist()
    # some find no place
    assert 0.3 < count / 500 < 0.4 + 4 * math.sqrt(0.24 / 500)
    assert min(widths) < 15
    assert max(widths) > 100


def test_an_object_takes_on_the_brightness_of_its_place():
    dark = Scene(
        np.full((180, 300, 3), 30, np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int32), ()
    )
    light = np.full((180, 300, 3), 220, np.uint8)
    light[40:80, 40:120] = 250
    bright = Scene(light, np.array([[40, 40, 120, 80]], np.float32), np.zeros(1, np.int32), ("plate",))
    settings = dataclasses.replace(PLAIN, mixing=MixingSettings(paste=1.0))
    mixed = Mixer([dark, bright].__getitem__, 2, np.array([1]), settings, 4)
    values = []
    for sample in range(40):
        made = mixed.make(0, sample)
        for x1, y1, x2, y2 in np.round(made.labels.boxes).astype(int):
            values.append(made.picture[y1:y2, x1:x2].mean())
    # the gain is the square root of a ratio that is no further from 1 than 2
    assert np.mean(values) == pytest.approx(250 / math.sqrt(2), rel=0.03)


def test_without_donors_nothing_is_pasted():
    mixed = dataclasses.replace(mixer(paste=1.0), donors=np.zeros(0, np.int64))
    assert len(mixed.make(0, 1).labels.boxes) == 1


def test_a_sample_depends_on_its_number_and_the_seed_alone():
    fields = {"mosaic": 0.5, "paste": 0.7, "paste_most": 3, "zoom": (0.8, 1.5), "noise": 0.02, "hflip": 0.5}
    mixed, again = mixer(**fields), mixer(**fields)
    forward = [mixed.make(sample % 5, sample) for sample in range(30)]
    backward = [again.make(sample % 5, sample) for sample in reversed(range(30))][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert np.array_equal(one.picture, other.picture)
        assert np.array_equal(one.labels.boxes, other.labels.boxes)
        assert one.sources == other.sources
    seeds = [mixer(seed, **fields).make(0, 0).picture for seed in (1, 2)]
    assert not np.array_equal(*seeds)


def test_the_pictures_of_a_mosaic_are_drawn_apart():
    """Were the draws those of the sample, all four would be flipped together."""
    mixed = mixer(mosaic=1.0, hflip=0.5, object_window=1.0)
    ramp = np.tile(np.arange(300, dtype=np.uint8)[None, :, None] // 2, (180, 1, 3))
    plain = Scene(ramp, np.zeros((0, 4), np.float32), np.zeros(0, np.int32), ())
    mixed = dataclasses.replace(mixed, scene=lambda number: plain)
    together = 0
    for sample in range(100):
        red = mixed.make(0, sample).picture[..., 0].astype(int)
        signs = {bool(row[5] > row[0]) for row in (red[0, :60], red[0, -60:], red[-1, :60], red[-1, -60:])}
        together += len(signs) == 1
    assert together / 100 == pytest.approx(1 / 8, abs=4 * math.sqrt(7 / 64 / 100))
