"""A student learns from a teacher: what it costs, whom it changes, and which teachers are refused."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import record_files
import tensorflow as tf
from networks import network, randomize

from detectnet.errors import UserError
from detectnet.network.distillation import Teacher, load_teacher, teacher_file
from detectnet.network.loss import LossSettings
from detectnet.network.model import save_model
from detectnet.network.plan import plan_of
from detectnet.network.predict import records_of
from detectnet.network.step import LOSSES, TAUGHT, TrainingStep, adam
from detectnet.network.targets import Targets
from detectnet.spec import SpecError

TAUGHT_BY = 'distillation { teacher_model_file: "%s" cov_weight: 0.7 bbox_weight: 1.9 }'
LOSS = LossSettings.from_spec(record_files.experiment())
GRID = (2, 6, 6)


def experiment(path, **changes):
    return record_files.experiment(training=TAUGHT_BY % path, **changes)


def tiny(seed=42, classes=("plate",), size=96, **fields):
    return network(10, size, classes, seed=seed, **{"width_multiplier": 0.125, **fields})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    wide = randomize(tiny(seed=1, width_multiplier=0.25))
    made = {
        "good": wide,
        "two classes": tiny(classes=("plate", "car")),
        "other size": tiny(size=64),
        "one output": keras.Model(wide.inputs, wide.outputs[1:]),
    }
    for name, model in made.items():
        save_model(model, folder / f"{name}.keras")
    return {name: folder / f"{name}.keras" for name in made}


def batch(seed=0):
    rng = np.random.default_rng(seed)
    pictures = tf.constant(rng.integers(0, 256, (GRID[0], 96, 96, 3), np.uint8))
    cov = tf.constant(rng.integers(0, 17, (*GRID, 1)) / 16, tf.float32)
    return pictures, Targets(cov, cov / 3, tf.constant(rng.normal(size=(*GRID, 4)), tf.float32))


@pytest.mark.parametrize("gamma", [0.0, 1.5])
def test_the_cost_equals_plain_loops(gamma):
    """A box counts by the teacher's coverage, where that is above 0.1; no GIoU, and no loss mask."""
    settings = replace(LOSS, focal_gamma=gamma, giou_weight=3.0)
    teacher = Teacher(None, settings, cov_weight=0.7, bbox_weight=1.9)
    rng = np.random.default_rng(1)
    taught, cov = rng.uniform(0, 0.6, (2, *GRID, 1))
    aimed, bbox = rng.normal(size=(2, *GRID, 4))
    entropy = distance = 0.0
    for place in np.ndindex(*GRID):
        truth, found = taught[place][0], cov[place][0]
        share = 0.05 if truth > 0.5 else 0.95
        cross = -(truth * math.log(found + 1e-5) + (1 - truth) * math.log(1 - found + 1e-5))
        entropy += share * cross * abs(truth - found) ** gamma
        if truth > 0.1:
            distance += truth * np.abs(bbox[place] - aimed[place]).mean()
    lesson = Teacher.targets(tf.constant(aimed), tf.constant(taught))
    made = teacher.costs(tf.constant(cov, tf.float32), tf.constant(bbox, tf.float32), lesson).numpy()
    expected = np.array([[0.7 * entropy, 1.9 * distance]]) / math.prod(GRID)
    assert made == pytest.approx(expected, rel=1e-4)


def test_only_the_student_is_changed_and_the_loss_names_the_lesson(files):
    given = experiment(files["good"])
    student = tiny()
    teacher = load_teacher(files["good"], given, student, LOSS, "float32")
    step = TrainingStep(student, adam(given), LOSS, teacher=teacher)
    taught, own = ([one.numpy() for one in model.weights] for model in (teacher.model, student))
    pictures, targets = batch()
    result = step(pictures, targets, 1e-3, tf.constant(LOSS.initial_weight, tf.float32))
    assert all(
        np.array_equal(one, two.numpy()) for one, two in zip(taught, teacher.model.weights, strict=True)
    )
    assert not all(np.array_equal(one, two.numpy()) for one, two in zip(own, student.weights, strict=True))
    losses = dict(zip(step.losses, result.losses.numpy(), strict=True))
    assert tuple(losses) == TAUGHT
    parts = losses["task_loss"] + losses["regularization_loss"] + losses["distillation_loss"]
    assert losses["loss"] == pytest.approx(parts, rel=1e-6)
    assert losses["distillation_loss"] > 0


def test_the_lesson_is_what_the_teacher_says_as_in_inference_and_weighs_as_the_task_does(files):
    given, student = experiment(files["good"]), randomize(tiny(), seed=5)
    teacher = load_teacher(files["good"], given, student, LOSS, "float32")
    pictures, targets = batch()
    objective = tf.constant([[0.3, 0.6]])
    scaled = pictures.numpy() / np.float32(255)
    aimed, taught = teacher.model(scaled, training=False)
    bbox, cov = student(scaled, training=True)
    lesson = Targets(taught, tf.where(taught > 0.1, taught, 0.0), aimed)
    expected = teacher.costs(cov, bbox, lesson).numpy() @ [0.3, 0.6]
    student = randomize(tiny(), seed=5)
    step = TrainingStep(student, adam(given), LOSS, teacher=teacher)
    made = step(pictures, targets, 1e-3, objective).losses.numpy()[-1]
    assert made == pytest.approx(expected[0], rel=1e-4)


def test_learning_from_a_teacher_alone_comes_nearer_to_it(files):
    """With nothing to see in the labels, and no weight on them."""
    given = experiment(files["good"])
    student = tiny()
    teacher = load_teacher(files["good"], given, student, LOSS, "float32")
    step = TrainingStep(student, adam(given), LOSS, teacher=teacher)
    pictures, targets = batch()
    weights = tf.constant([[0.5, 0.5]])
    lessons = [float(step(pictures, targets, 3e-3, weights).losses[-1]) for _ in range(25)]
    assert lessons[-1] < 0.7 * lessons[0]


def test_a_teacher_works_on_windows_as_well(files):
    given, student = experiment(files["good"]), tiny()
    teacher = load_teacher(files["good"], given, student, LOSS, "float32")
    step = TrainingStep(student, adam(given), LOSS, teacher=teacher)
    pictures, targets = batch()
    small = Targets(*(one[:, :3, :4] for one in targets[:3]))
    result = step(pictures[:, :48, :64], small, 1e-3, tf.constant([[0.5, 0.5]]))
    assert np.isfinite(result.losses.numpy()).all()


def test_without_a_teacher_the_losses_are_those_of_ever():
    assert TrainingStep(tiny(), adam(record_files.experiment()), LOSS).losses == LOSSES


@pytest.mark.parametrize(
    ("name", "says"),
    [("two classes", "2 classes"), ("other size", "64 x 64"), ("one output", "output_cov")],
)
def test_another_kind_of_network_is_refused(files, name, says):
    with pytest.raises(UserError, match=says) as caught:
        load_teacher(files[name], experiment(files[name]), tiny(), LOSS, "float32")
    assert files[name].name in str(caught.value)


def test_a_teacher_of_other_classes_is_refused_by_the_spec_beside_it(files, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(files["good"].read_bytes())
    given, student = experiment(path), tiny()
    (tmp_path / "spec.cfg").write_text(record_files.experiment().to_text())
    assert load_teacher(path, given, student, LOSS, "float32")
    (tmp_path / "spec.cfg").write_text(record_files.experiment().to_text().replace('"plate"', '"truck"'))
    with pytest.raises(UserError, match="truck"):
        load_teacher(path, given, student, LOSS, "float32")


def test_the_file_is_the_given_one_or_that_of_the_spec(files, tmp_path):
    given = experiment(files["good"])
    assert teacher_file(given) == files["good"]
    assert teacher_file(given, files["other size"]) == files["other size"]
    assert teacher_file(record_files.experiment()) is None
    with pytest.raises(UserError, match="no distillation"):
        teacher_file(record_files.experiment(), files["good"])
    with pytest.raises(UserError, match="does not exist"):
        teacher_file(given, tmp_path / "none.keras")
    with pytest.raises(UserError, match="teacher_model_file"):
        teacher_file(experiment(tmp_path / "none.keras"))


def test_a_spec_without_a_teacher_is_refused_unless_the_rules_put_one_in_its_place():
    with pytest.raises(SpecError, match="teacher_model_file"):
        record_files.experiment(training="distillation { }")
    given = record_files.experiment(training="distillation { }", model="load_graph: true")
    with pytest.raises(UserError, match="without a teacher"):
        teacher_file(given)


def test_the_teacher_and_its_weights_decide_whether_a_training_is_the_same_and_its_path_does_not(
    files, tmp_path
):
    copy = tmp_path / "copy.keras"
    copy.write_bytes(files["good"].read_bytes())
    records = records_of(record_files.experiment(), [record_files.write_shard(tmp_path, 4)])

    def identity(given, path):
        return plan_of(given, records, None, None, path).identity

    same = {identity(experiment(path), path) for path in (files["good"], copy)}
    heavier = record_files.experiment(training=TAUGHT_BY.replace("0.7", "0.8") % copy)
    others = {
        identity(record_files.experiment(), None),
        identity(experiment(files["other size"]), files["other size"]),
        identity(heavier, copy),
    }
    assert len(same) == 1
    assert len(same | others) == 4
