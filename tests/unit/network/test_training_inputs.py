"""Record index and input pipeline: what is read, in which order, and that resuming changes nothing."""

from collections import Counter

import cv2
import numpy as np
import pytest
import record_files
import tensorflow as tf

from detectnet import spec
from detectnet.errors import UserError
from detectnet.network.inputs import (
    Feed,
    InputSettings,
    SampleOrder,
    plain_feed,
    to_network,
    training_feed,
)
from detectnet.network.picture_files import PictureFiles
from detectnet.network.predict import records_of
from detectnet.network.preflight import losses_of
from detectnet.network.records import Frame, Records, index_records

MAPPING = {"plate": "plate"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return [record_files.write_shard(folder, 9), record_files.write_shard(folder, 4, source="vans", seed=5)]


@pytest.fixture(scope="module")
def records(shards):
    return index_records(shards, ["plate"], MAPPING)


def test_index_agrees_with_tensorflows_reader(shards, records):
    expected = []
    for shard in shards:
        for data in tf.data.TFRecordDataset(str(shard)):
            feature = tf.train.Example.FromString(data.numpy()).features.feature
            sides = [
                feature[f"target/coordinates_{side}"].float_list.value for side in ("x1", "y1", "x2", "y2")
            ]
            expected.append(
                (
                    feature["frame/id"].bytes_list.value[0].decode(),
                    np.array(sides).T.reshape(-1, 4),
                    tf.io.decode_png(feature["frame/encoded"].bytes_list.value[0]).numpy(),
                )
            )
    assert len(records) == len(expected) == 13
    assert {frame.source for frame in records.frames} == {"cars", "vans"}
    for frame, (name, boxes, picture) in zip(records.frames, expected):
        assert frame.frame_id == name
        assert np.array_equal(frame.boxes, boxes)
        assert np.array_equal(frame.picture(), picture)


def test_plain_pictures_come_once_each_in_order(records):
    settings = InputSettings.from_spec(record_files.experiment())
    batches = list(plain_feed(records, settings, batch=5))
    assert [len(pictures) for pictures, _ in batches] == [5, 5, 3]
    pictures = np.concatenate([pictures.numpy() for pictures, _ in batches])
    for made, frame in zip(pictures, records.frames):
        assert np.array_equal(made, frame.picture())
    covered = np.concatenate([targets.cov.numpy().max(axis=(1, 2, 3)) > 0 for _, targets in batches])
    assert covered.tolist() == [len(frame.boxes) > 0 for frame in records.frames]


def test_network_input_is_float_from_0_to_1():
    made = to_network(tf.constant([0, 51, 255], tf.uint8))
    assert made.dtype == tf.float32
    assert made.numpy() == pytest.approx([0, 0.2, 1])


def test_a_resumed_feed_goes_on_with_the_same_batches(records):
    settings = InputSettings.from_spec(record_files.experiment())
    whole = list(training_feed(records, settings, seed=3, batch=4, steps=range(8)))
    rest = list(training_feed(records, settings, seed=3, batch=4, steps=range(5, 8)))
    for one, other in zip(whole[5:], rest, strict=True):
        for left, right in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
            assert np.array_equal(left, right)
    assert not np.array_equal(whole[0][0], whole[1][0])
    other_seed = next(iter(training_feed(records, settings, seed=4, batch=4, steps=range(1))))
    assert not np.array_equal(whole[0][0], other_seed[0])


def test_the_number_of_workers_changes_nothing(records):
    one, many = (
        next(
            iter(
                training_feed(
                    records,
                    InputSettings.from_spec(record_files.experiment(), workers),
                    seed=3,
                    batch=8,
                    steps=range(1),
                )
            )
        )
        for workers in (1, 5)
    )
    assert np.array_equal(one[0], many[0])


def frames(**sizes):
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.int32)
    made = [
        Frame(f"{name}{number}", name, (1, 1), None, 0, 0, *empty, (), empty[0], ())
        for name, size in sizes.items()
        for number in range(size)
    ]
    return Records(tuple(made), {}, "")


def test_an_epoch_holds_every_picture_once_in_an_order_of_its_own():
    order = SampleOrder(frames(a=7, b=30), seed=1)
    epochs = [[order.frame(epoch * 37 + number) for number in range(37)] for epoch in range(3)]
    assert all(sorted(one) == list(range(37)) for one in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_uniform_sampling_draws_alike_from_sources_and_uses_up_each_before_it_repeats():
    records = frames(a=5, b=25)
    order = SampleOrder(records, seed=1, uniform=True)
    drawn = [order.frame(number) for number in range(4 * 30)]
    assert Counter(records.frames[one].source for one in drawn) == {"a": 60, "b": 60}
    times = Counter(drawn)
    assert {times[number] for number in range(5)} == {12}
    assert {times[number] for number in range(5, 30)} == {2, 3}


@pytest.mark.parametrize("mode", ["", "sampling_mode: USER_DEFINED", "sampling_mode: PROPORTIONAL"])
def test_sources_are_sampled_in_proportion_unless_the_spec_says_uniform(mode):
    """USER_DEFINED is PROPORTIONAL in TAO, too: its loader gives every source its number of pictures."""
    text = record_files.experiment().to_text()
    found = spec.parse(text.replace("dataset_config {", f"dataset_config {{ {mode}"), "experiment")
    assert not InputSettings.from_spec(found).uniform
    order = SampleOrder(frames(a=5, b=25), seed=1, uniform=False)
    assert Counter(order.frame(number) for number in range(60)) == dict.fromkeys(range(30), 2)


def test_the_spec_asks_for_uniform_sampling():
    text = record_files.experiment().to_text()
    found = spec.parse(
        text.replace("dataset_config {", "dataset_config { sampling_mode: UNIFORM"), "experiment"
    )
    assert InputSettings.from_spec(found).uniform


@pytest.mark.parametrize("mode", ["PROPORTIONAL", "UNIFORM"])
@pytest.mark.parametrize("batch", [1, 4, 13, 50])
def test_validation_sees_every_picture_once_whatever_the_batch_and_the_sampling(records, mode, batch):
    """TAO leaves out the rest of a division by the batch, and samples its validation sources at random."""
    text = record_files.experiment().to_text()
    found = spec.parse(
        text.replace("dataset_config {", f"dataset_config {{ sampling_mode: {mode}"), "experiment"
    )
    settings = InputSettings.from_spec(found)
    for _ in range(2):
        pictures = np.concatenate([one.numpy() for one, _ in plain_feed(records, settings, batch=batch)])
        assert len(pictures) == 13
        for made, frame in zip(pictures, records.frames, strict=True):
            assert np.array_equal(made, frame.picture())


def test_names_that_map_to_nothing_are_an_error_that_shows_both_sides(shards):
    with pytest.raises(UserError) as caught:
        index_records(shards, ["plate"], {"plaque": "plate"})
    for word in ("plate", "plaque -> plate", "target_class_mapping"):
        assert word in str(caught.value)


def test_unmapped_objects_are_dropped_and_counted(tmp_path, shards):
    cars = record_files.write_shard(tmp_path, 9, source="other", name="wheel")
    made = index_records([*shards, cars], ["plate"], MAPPING)
    wheels = index_records([cars], ["wheel"], {"wheel": "wheel"}).objects
    assert dict(made.unmapped) == {"wheel": wheels}
    assert made.objects == index_records(shards, ["plate"], MAPPING).objects


def test_mapping_keys_may_be_written_in_any_case(shards, records):
    assert index_records(shards, ["plate"], {"PLATE": "plate"}).objects == records.objects > 0


def test_a_damaged_shard_is_named(tmp_path, shards):
    broken = tmp_path / shards[0].name
    data = bytearray(shards[0].read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    with pytest.raises(UserError, match=broken.name):
        index_records([broken], ["plate"], MAPPING)


def test_no_picture_at_all_is_an_error(tmp_path):
    empty = tmp_path / "cars-fold-001-of-002-shard-00000-of-00001"
    empty.touch()
    with pytest.raises(UserError, match="no picture"):
        index_records([empty], ["plate"], MAPPING)


def write_one(folder, data):
    path = folder / record_files.SHARD.format(source="x", fold=1)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(data)
    return path


def test_pictures_that_are_not_in_the_records_come_from_their_folder(tmp_path):
    made, boxes = record_files.picture(np.random.default_rng(2))
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), cv2.cvtColor(made, cv2.COLOR_RGB2BGR))
    shard = write_one(tmp_path, record_files.example("images/a", boxes, ["plate"] * len(boxes), None))
    config = record_files.experiment(folder=tmp_path).dataset_config
    indexed = index_records([shard], ["plate"], MAPPING, picture_files=PictureFiles(config))
    assert np.array_equal(indexed.frames[0].picture(), made)
    with pytest.raises(UserError, match="images/a"):
        index_records([shard], ["plate"], MAPPING)


@pytest.mark.parametrize("damage", ["cut", "size"])
def test_a_picture_that_does_not_fit_its_labels_stops_the_feed_with_its_name(tmp_path, damage):
    made, _ = record_files.picture(np.random.default_rng(2))
    data = record_files.encoded(made if damage == "cut" else made[:50])
    data = data[:40] if damage == "cut" else data
    shard = write_one(tmp_path, record_files.example("images/bad", [(1, 1, 30, 20)], ["plate"], data))
    experiment = record_files.experiment()
    feed = plain_feed(records_of(experiment, [shard]), InputSettings.from_spec(experiment), batch=1)
    assert isinstance(feed, Feed)
    with pytest.raises(UserError, match="images/bad"):
        list(feed)


def test_the_digest_changes_with_a_label_or_a_pixel(tmp_path):
    made, _ = record_files.picture(np.random.default_rng(2))
    digests = set()
    for box, pixel in (((1, 1, 30, 20), 0), ((1, 1, 30, 21), 0), ((1, 1, 30, 20), 9)):
        made[0, 0] = pixel
        data = record_files.example("images/a", [box], ["plate"], record_files.encoded(made))
        digests.add(index_records([write_one(tmp_path, data)], ["plate"], MAPPING).digest)
    assert len(digests) == 3


BOXES = [(10, 10, 60, 30), (100, 10, 130, 30), (90, 10, 140, 30), (10, 10, 14, 12), (100, 100, 104, 102)]
LARGER = {False: (1, 2, 2), True: (0, 0, 2)}


@pytest.mark.parametrize("resize", [False, True])
def test_what_does_not_fit_the_network_is_counted_and_said(tmp_path, caplog, resize):
    """A picture of 144 x 144 for a network of 96 x 96, boxes of at least 8 x 4: worked out by hand."""
    picture = record_files.encoded(np.zeros((144, 144, 3), np.uint8))
    data = record_files.example("images/large", BOXES, ["plate"] * len(BOXES), picture, size=144)
    text = record_files.experiment().to_text()
    words = "min_bbox_width: 8 min_bbox_height: 4" + " enable_auto_resize: true" * resize
    experiment = spec.parse(text.replace("preprocessing {", "preprocessing { " + words), "experiment")
    with caplog.at_level("WARNING", logger="detectnet"):
        records = records_of(experiment, [write_one(tmp_path, data)])
    lost = losses_of(records, InputSettings.from_spec(experiment))
    # uncut, the third box leaves a strip 6 pixels wide: it is lost outside as well
    assert (lost.cut, lost.outside, lost.small) == LARGER[resize]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 + (not resize)
    assert "2 of 5 boxes are smaller than 8 x 4" in said[-1]
    assert "min_bbox_width" in said[-1]
    if not resize:
        assert "1 of 1 pictures are larger than the network's 96 x 96" in said[0]
        assert "2 of 5 boxes lie outside" in said[0]
        assert "enable_auto_resize" in said[0]


def test_nothing_is_said_when_everything_fits(shards, caplog):
    with caplog.at_level("WARNING", logger="detectnet"):
        records_of(record_files.experiment(), shards)
    assert not caplog.records


def test_boxes_outside_a_picture_that_fits_are_the_labels_fault(tmp_path, caplog):
    picture = record_files.encoded(np.zeros((96, 96, 3), np.uint8))
    data = record_files.example("images/a", [(1, 1, 30, 20), (-40, 1, -10, 20)], ["plate"] * 2, picture)
    with caplog.at_level("WARNING", logger="detectnet"):
        records_of(record_files.experiment(), [write_one(tmp_path, data)])
    assert "1 of 2 boxes lie outside their pictures" in caplog.text
