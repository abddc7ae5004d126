"""Loss masks and source weights from the spec and the records to the targets of a batch."""

import ast
from pathlib import Path

import numpy as np
import pytest
import record_files
import tensorflow as tf

from detectnet import spec
from detectnet.errors import UserError
from detectnet.network.inputs import InputSettings, plain_feed, training_feed
from detectnet.network.loss import LossSettings, costs
from detectnet.network.masks import MaskSettings, weights_of
from detectnet.network.plan import DECISIVE, plan_of
from detectnet.network.predict import records_of
from detectnet.network.records import Records

COV, BBOX = 0, 1


def experiment(masks="", sources="", **words):
    text = record_files.experiment(**words).to_text()
    if sources:
        start, end = text.index("  data_sources"), text.index("  image_extension")
        text = f"{text[:start]}{sources}\n{text[end:]}"
    if masks:
        text += f"loss_mask_label_filter {{ {masks} }}\n"
    return spec.parse(text, "experiment")


def config(inner, more=""):
    return f"objective_label_filter_configs {{ label_filter {{ {inner} }} {more} }}"


NAMES = config('source_class_label_filter { source_class_names: "DontCare" }')


def write(folder, objects, source="cars", count=1, inside=True):
    """A shard of black pictures of 96 x 96 with these (name, box); the pictures inside it, or beside it."""
    path = folder / record_files.SHARD.format(source=source, fold=1)
    encoded = record_files.encoded(np.zeros((96, 96, 3), np.uint8))
    names, boxes = zip(*objects, strict=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(count):
            name = f"images/{source}_{number}"
            if not inside:
                (folder / "images").mkdir(exist_ok=True)
                (folder / f"{name}.png").write_bytes(encoded)
            writer.write(record_files.example(name, boxes, names, encoded if inside else None))
    return path


def masked(targets, objective, picture=0):
    found = np.argwhere(targets.mask.numpy()[picture, ..., 0, objective] != 1)
    return {tuple(map(int, one)) for one in found}


def first(given, records, feed=plain_feed, **options):
    return next(iter(feed(records, InputSettings.from_spec(given), batch=2, **options)))[1]


@pytest.fixture
def shard(tmp_path):
    objects = [("plate", (0, 0, 32, 16)), ("dontcare", (64, 64, 96, 96)), ("plate", (48, 32, 50, 33))]
    return write(tmp_path, objects)


def test_without_filters_and_weights_there_is_no_mask(shard):
    given = experiment()
    assert first(given, records_of(given, [shard])).mask is None


def test_an_object_without_a_target_class_is_masked_by_its_name_in_the_records(shard):
    """Not so in TAO, which has dropped it by then."""
    given = experiment(NAMES)
    targets = first(given, records_of(given, [shard]))
    assert masked(targets, COV) == masked(targets, BBOX) == {(4, 4), (4, 5), (5, 4), (5, 5)}
    assert targets.cov.numpy()[0, 0, 0, 0] > 0  # the plate is drawn as ever


def test_a_box_too_small_to_be_drawn_can_be_masked(tmp_path):
    shard = write(tmp_path, [("plate", (0, 0, 32, 16)), ("plate", (48, 30, 54, 34))])
    text = experiment(config("bbox_dimensions_label_filter { max_height: 8 }")).to_text()
    given = spec.parse(text.replace("preprocessing {", "preprocessing { min_bbox_height: 8"), "experiment")
    targets = first(given, records_of(given, [shard]))
    assert masked(targets, COV) == {(1, 3), (2, 3)}
    assert targets.cov.numpy()[0, 1:3, 3, 0].max() == 0


def test_the_mask_follows_the_object_when_the_picture_is_changed(shard):
    flip = experiment(NAMES, augmentation="spatial_augmentation { hflip_probability: 1.0 }")
    targets = first(flip, records_of(flip, [shard]), training_feed, seed=1, steps=range(1))
    assert masked(targets, COV) == {(4, 0), (4, 1), (5, 0), (5, 1)}


def test_masked_predictions_cost_nothing(shard):
    given = experiment(NAMES)
    targets = first(given, records_of(given, [shard]))
    loss = LossSettings.from_spec(given)
    quiet = np.full((1, 6, 6, 1), 1e-3, np.float32)
    loud = quiet.copy()
    loud[0, 4:, 4:] = 0.99
    none = np.zeros((1, 6, 6, 4), np.float32)
    assert costs(loud, none, targets, loss)[0, 0] == costs(quiet, none, targets, loss)[0, 0]
    unmasked = targets._replace(mask=None)
    assert costs(loud, none, unmasked, loss)[0, 0] > 3 * costs(quiet, none, unmasked, loss)[0, 0]


def test_every_field_of_the_filters_is_read():
    inner = "bbox_dimensions_label_filter { min_width: 1 min_height: 2 max_width: 30 max_height: 40 }"
    crop = "bbox_crop_label_filter { crop_left: 5 crop_right: 50 crop_top: 6 crop_bottom: 60 }"
    both = config(inner, 'target_class_names: "plate"') + config(crop, 'objective_names: "bbox"')
    made = MaskSettings.from_spec(experiment(both + " mask_multiplier: 0.5 preserve_ground_truth: true"))
    size, part = made.filters
    assert size.size == (1, 2, 30, 40)
    assert size.masked == ((0, COV), (0, BBOX))
    assert part.crop == (5, 6, 50, 60)
    assert part.masked == ((0, BBOX),)
    assert (made.multiplier, made.preserve) == (0.5, True)
    assert MaskSettings.from_spec(experiment(both)).multiplier == 0
    assert not MaskSettings.from_spec(experiment(both)).preserve


def test_a_side_of_a_crop_that_is_zero_does_not_switch_the_filter_off():
    """It does in TAO, where 0 is read as unset."""
    made = MaskSettings.from_spec(
        experiment(config("bbox_crop_label_filter { crop_left: 0 crop_right: 50 }"))
    )
    chosen = made.filters[0].chosen(np.array([(0, 0, 9, 9), (60, 0, 70, 9), (40, 70, 49, 99.0)]), [""] * 3)
    assert chosen.tolist() == [True, False, True]


def test_an_upper_limit_of_zero_is_none():
    made = MaskSettings.from_spec(experiment(config("bbox_dimensions_label_filter { min_width: 10 }")))
    assert made.filters[0].chosen(np.array([(0, 0, 9, 9), (0, 0, 900, 1.0)]), [""] * 2).tolist() == [
        False,
        True,
    ]


SOURCES = """data_sources { tfrecords_path: "results/run/tfrecords/cars*" source_weight: %s }
  data_sources { tfrecords_path: "results/run/tfrecords/vans-fold-*" source_weight: %s }"""


@pytest.fixture
def two_sources(tmp_path):
    plate = [("plate", (0, 0, 32, 16))]
    return [write(tmp_path, plate), write(tmp_path, plate, source="vans", count=2)]


@pytest.mark.parametrize("batch", [1, 3])
def test_the_weight_of_a_source_multiplies_the_cost_of_its_pictures(two_sources, batch):
    """For batches of one picture, too; TAO then forgets it."""
    given = experiment(sources=SOURCES % (3, 0))
    records = records_of(given, two_sources)
    settings = InputSettings.from_spec(given)
    feed = training_feed(records, settings, seed=1, batch=batch, steps=range(3 // batch))
    weights = [float(one) for _, targets in feed for one in targets.mask.numpy()[:, 0, 0, 0, 0]]
    assert sorted(weights) == [1, 1, 3]  # 0 is unset, which is 1
    loss = LossSettings.from_spec(given)
    alone = Records(records.frames[:1], {}, "")
    _, targets = next(iter(training_feed(alone, settings, seed=1, batch=1, steps=range(1))))
    cov, bbox = np.full((1, 6, 6, 1), 0.2, np.float32), np.zeros((1, 6, 6, 4), np.float32)
    once = costs(cov, bbox, targets._replace(mask=None), loss).numpy()
    assert costs(cov, bbox, targets, loss).numpy() == pytest.approx(3 * once, rel=1e-6)


def test_sources_weigh_alike_in_validation(two_sources):
    given = experiment(sources=SOURCES % (3, 1))
    assert (first(given, records_of(given, two_sources)).mask.numpy() == 1).all()


@pytest.mark.parametrize("inside", [True, False])
def test_the_path_of_a_shard_decides_before_its_name(tmp_path, inside):
    folders = [tmp_path / name for name in ("a", "b")]
    shards = []
    for folder in folders:
        folder.mkdir()
        shards.append(write(folder, [("plate", (0, 0, 32, 16))], inside=inside))
    text = "\n".join(
        f'data_sources {{ tfrecords_path: "{folder}/cars*" image_directory_path: "{folder}" '
        f"source_weight: {weight} }}"
        for folder, weight in zip(folders, (2, 5), strict=True)
    )
    given = experiment(sources=text)
    assert weights_of(records_of(given, shards), MaskSettings.from_spec(given)).tolist() == [2, 5]


@pytest.mark.parametrize("pattern", ["results/run/tfrecords/*", "results/run/tfrecords/trucks*"])
def test_weights_that_cannot_be_told_are_an_error_that_names_the_source(two_sources, pattern):
    given = experiment(sources=(SOURCES % (3, 2)).replace("results/run/tfrecords/vans-fold-*", pattern))
    with pytest.raises(UserError, match="source_weight") as caught:
        plan_of(given, records_of(given, two_sources), None, None)
    assert "cars" in str(caught.value) or "vans" in str(caught.value)


def test_masks_and_weights_decide_whether_a_training_is_the_same(two_sources):
    """The fourth and the last give the same numbers, in the same order, to the other source."""
    swapped = (SOURCES % (3, 1)).replace("cars", "?").replace("vans", "cars").replace("?", "vans")
    specs = [
        experiment(),
        experiment(NAMES),
        experiment(NAMES + " mask_multiplier: 0.5"),
        *(experiment(sources=text) for text in (SOURCES % (3, 1), SOURCES % (1, 3), swapped)),
    ]
    plans = [plan_of(one, records_of(one, two_sources), None, None) for one in specs]
    assert len({one.identity for one in plans}) == len(specs)


def test_what_decides_the_weights_is_what_runs_the_rule_again():
    """The rule looks at the paths of the sources, too, for the sake of their weights."""
    rules = Path(__file__).resolve().parents[3] / "rules" / "train.smk"
    module = ast.parse(rules.read_text().partition("rule ")[0])
    named = {target.id: ast.literal_eval(one.value) for one in module.body for target in one.targets}
    messages = set(named["TRAINING_MESSAGES"]) - {"dataset_config.data_sources.tfrecords_path"}
    assert {message for path in DECISIVE for message in messages if f"{path}.".startswith(f"{message}.")} == (
        messages
    )
    assert all(any(f"{path}.".startswith(f"{one}.") for one in messages) for path in DECISIVE)
