"""Training on windows and mixtures of the pictures of records, and the pictures kept in memory."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import record_files
import tensorflow as tf

from detectnet import spec
from detectnet.errors import UserError
from detectnet.network import inputs
from detectnet.network.augmentation import AugmentationSettings, MixingSettings
from detectnet.network.inputs import InputSettings, plain_feed, training_feed
from detectnet.network.picture_store import PictureStore
from detectnet.network.records import index_records
from detectnet.network.targets import rasterize

FIELDS = {
    "spatial_augmentation": """hflip_probability: 0.5 zoom_min: 0.7 zoom_max: 1.5 zoom_log_uniform: true
        aspect_max: 1.3 object_window_probability: 0.6""",
    "color_augmentation": """gamma_max: 1.8 white_balance_max: 0.2 motion_blur_max: 5 fog_max: 0.4
        shadow_probability: 0.25 downscale_max: 2.5""",
    "mixing": "mosaic_probability: 0.4 paste_probability: 0.5 paste_max: 3",
}
EVERYTHING = " ".join(f"{name} {{ {words} }}" for name, words in FIELDS.items())


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return index_records([record_files.write_shard(folder, 9)], ["plate"], {"plate": "plate"})


def experiment(augmentation=EVERYTHING, picture="minimum_visible_share: 0.5"):
    text = record_files.experiment(augmentation=augmentation).to_text()
    return spec.parse(text.replace("preprocessing {", f"preprocessing {{ {picture}"), "experiment")


def batches(records, settings, start=0, end=4, seed=3):
    return list(training_feed(records, settings, seed=seed, batch=4, steps=range(start, end)))


def same(one, other):
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True)
    return all(np.array_equal(left, right) for left, right in pairs)


def test_the_spec_sets_every_extension():
    made = AugmentationSettings.from_spec(experiment())
    assert made == AugmentationSettings(
        width=96,
        height=96,
        hflip=0.5,
        zoom=(0.7, 1.5),
        log_zoom=True,
        aspect=1.3,
        object_window=0.6,
        visible_share=0.5,
        gamma=1.8,
        white_balance=0.2,
        motion_blur=5.0,
        fog=0.4,
        shadow=0.25,
        downscale=2.5,
        contrast_center=0.0,
        mixing=MixingSettings(mosaic=0.4, paste=0.5, paste_most=3),
    )
    assert AugmentationSettings.from_spec(experiment("", "")) == AugmentationSettings(
        96, 96, contrast_center=0.0
    )


def test_windows_are_for_training_only(records):
    whole = InputSettings.from_spec(experiment())
    part = whole.window(64, 48)
    for pictures, targets in batches(records, part):
        assert pictures.shape == (4, 48, 64, 3)
        assert targets.cov.shape == (4, 3, 4, 1)
        assert targets.mask.shape == (4, 3, 4, 1, 2)
    one, other = (list(plain_feed(records, settings, batch=4)) for settings in (whole, part))
    assert one[0][0].shape == (4, 96, 96, 3)
    assert same(one, other)


def test_a_window_of_the_whole_input_is_the_whole_input():
    whole = InputSettings.from_spec(experiment())
    assert whole.window(48, 48).window(96, 96) == whole


@pytest.mark.parametrize("size", [(112, 96), (96, 112), (40, 48), (48, 40), (0, 48)])
def test_a_window_that_does_not_fit_is_refused(size):
    with pytest.raises(UserError, match=f"{size[0]} x {size[1]}") as caught:
        InputSettings.from_spec(experiment()).window(*size)
    assert "multiples of 16" in str(caught.value)


def test_plates_are_where_the_targets_say(records):
    """The plates of these records are brighter than anything else in them."""
    settings = InputSettings.from_spec(experiment("spatial_augmentation { hflip_probability: 0.5 }", ""))
    found = set()
    for pictures, targets in batches(records, settings.window(64, 64), end=8):
        bright = np.min(pictures, axis=3) > 200
        for picture, row, column in np.argwhere(targets.cov[..., 0].numpy() > 0):
            left, top, right, bottom = 35 * targets.bbox[picture, row, column].numpy()
            x, y = 16 * column + 0.5, 16 * row + 0.5
            x1, y1, x2, y2 = (round(float(one)) for one in (x - left, y - top, x + right, y + bottom))
            assert bright[picture, y1:y2, x1:x2].all()
            # nothing of it goes on outside, unless another plate begins there
            assert x1 == 0 or not bright[picture, y1:y2, x1 - 1].all()
            assert x2 == 64 or not bright[picture, y1:y2, x2].all()
            found.add((x1, y1, x2, y2))
    assert len(found) > 10


@pytest.mark.parametrize("size", [None, (64, 48)])
def test_samples_are_the_same_resumed_and_with_any_number_of_workers(records, size):
    made = [
        settings.window(*size) if size else settings
        for settings in (InputSettings.from_spec(experiment(), workers) for workers in (1, 4))
    ]
    whole = batches(records, made[0])
    assert same(whole[2:], batches(records, made[1], start=2))
    assert not same(whole, batches(records, made[0], seed=4))


@pytest.mark.parametrize("room", [0, 30_000])
def test_batches_are_the_same_without_memory(records, monkeypatch, room):
    settings = InputSettings.from_spec(experiment())
    kept = batches(records, settings)
    monkeypatch.setattr(inputs, "PictureStore", lambda make: PictureStore(make, room))
    assert same(kept, batches(records, settings))


def test_a_picture_is_decoded_once_while_there_is_room():
    made = []

    def make(number):
        made.append(number)
        picture = np.zeros((40, 60, 3), np.uint8)
        picture[5:20, 3:30] = number + 1
        return picture

    store = PictureStore(make, room=2 * 20 * 30 * 3)
    for number in (0, 1, 2, 0, 1, 2):
        content = store.content(number)
        assert content.shape == (20, 30, 3)
        assert np.array_equal(content, make(number)[:20, :30])
        made.pop()
        assert not content.flags.writeable
    assert made == [0, 1, 2, 2]


def test_a_black_picture_has_a_pixel():
    assert PictureStore(lambda _: np.zeros((8, 8, 1), np.uint8)).content(0).shape == (1, 1, 1)


def test_many_threads_never_keep_more_than_fits():
    store = PictureStore(lambda number: np.full((10, 10, 1), number % 200 + 1, np.uint8), room=5 * 100)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(store.content, [number % 20 for number in range(2000)]))
    assert [one[0, 0, 0] for one in found] == [number % 20 + 1 for number in range(2000)]
    assert sum(one.nbytes for one in store._kept.values()) == 500


def test_cells_of_an_object_that_is_cut_away_do_not_count_and_those_of_others_do(tmp_path):
    """One plate at the left edge, of which windows show more or less."""
    shard = tmp_path / record_files.SHARD.format(source="cars", fold=1)
    ground = np.full((96, 96, 3), 90, np.uint8)
    with tf.io.TFRecordWriter(str(shard)) as writer:
        box = (0, 32, 48, 64)
        writer.write(record_files.example("images/a", [box], ["plate"], record_files.encoded(ground)))
    records = index_records([shard], ["plate"], {"plate": "plate"})
    settings = InputSettings.from_spec(experiment("", "minimum_visible_share: 0.7")).window(64, 96)
    states = set()
    for _, targets in batches(records, settings, end=12):
        for cov, mask in zip(targets.cov[..., 0].numpy(), targets.mask[..., 0, :].numpy(), strict=True):
            assert np.array_equal(mask[..., 0], mask[..., 1])
            masked = mask[..., 0] == 0
            states.add((bool(cov.any()), bool(masked.any())))
            assert not (cov > 0)[masked].any()
            # rows 2 and 3 of the cells are the plate's, and its left columns
            assert not masked[[0, 1, 4, 5]].any()
            assert np.array_equal(masked[2], masked[3])
            assert np.array_equal(masked[2], np.sort(masked[2])[::-1])
    assert states == {(True, False), (False, True)}


def test_whole_pictures_without_extensions_have_no_mask(records):
    settings = InputSettings.from_spec(experiment("", ""))
    assert all(targets.mask is None for _, targets in batches(records, settings))


def test_without_extensions_samples_are_the_pictures_of_the_order(records):
    """Nothing is drawn, so that the k-th sample is the picture that the order names, with its own targets."""
    settings = InputSettings.from_spec(experiment("", ""))
    order = inputs.SampleOrder(records, 3)
    for step, (pictures, targets) in enumerate(batches(records, settings)):
        frames = [records.frames[order.frame(4 * step + number)] for number in range(4)]
        assert np.array_equal(pictures, [frame.picture() for frame in frames])
        count = max(len(frame.boxes) for frame in frames)
        boxes = np.zeros((4, count, 4), np.float32)
        classes = np.full((4, count), -1, np.int32)
        for row, frame in enumerate(frames):
            boxes[row, : len(frame.boxes)], classes[row, : len(frame.boxes)] = frame.boxes, 0
        expected = rasterize(tf.constant(boxes), tf.constant(classes), settings.targets)
        assert same(targets, expected)
