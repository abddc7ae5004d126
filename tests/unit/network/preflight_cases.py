"""Small trainings in which one cause of a mAP of zero can be planted, and how to look for it."""

import itertools

import numpy as np
import record_files

from detectnet import spec
from detectnet.network.predict import index_of
from detectnet.network.preflight import preflight

PLATE = (10, 20, 58, 44)
LOW = (10, 20, 58, 30)  # 48 x 10
NUMBERS = itertools.count()


def picture(size=96):
    """Bytes of a picture like no other."""
    made = np.zeros((size, size, 3), np.uint8)
    made[0, 0] = next(NUMBERS) % 251, next(NUMBERS) // 251, 7
    return record_files.encoded(made)


def shard(folder, pictures, *, fold=1, size=96, name="plate", data=None):
    """Records of pictures with these lists of boxes; a box may be followed by its class."""
    path = folder / record_files.SHARD.format(source="cars", fold=fold)
    with record_files.tf.io.TFRecordWriter(str(path)) as writer:
        for number, boxes in enumerate(pictures):
            names = [box[4] if len(box) > 4 else name for box in boxes]
            frame_id = f"images/{fold}_{number}"
            writer.write(record_files.example(frame_id, boxes, names, data or picture(size), size=size))
    return path


def changed(*pairs, **words):
    """The tiny spec with words of its text replaced."""
    text = record_files.experiment(**words).to_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return spec.parse(text, "experiment", "spec.cfg")


def two_classes(experiment):
    """The same spec with a second class 'van' that is like 'plate'."""
    text = experiment.to_text()
    made, lines = [], iter(text.splitlines())
    for line in lines:
        block = [line]
        if line.strip().split(" ")[0] in (
            "target_class_mapping",
            "target_class_config",
            "target_classes",
            "minimum_detection_ground_truth_overlap",
            "evaluation_box_config",
        ):
            indent = line[: len(line) - len(line.lstrip())]
            block += list(itertools.takewhile(lambda one, end=f"{indent}}}": one != end, lines))
            block.append(f"{indent}}}")
            block += [one.replace("plate", "van") for one in block]
        made += block
    return spec.parse("\n".join(made), "experiment", "spec.cfg")


def find(tmp_path, experiment, training=((PLATE,), (PLATE,), ()), validation=((PLATE,), ()), **how):
    """Findings by cause for these boxes."""
    records = index_of(experiment, [shard(tmp_path, training, **how)])
    held_out = (
        None
        if validation is None
        else index_of(experiment, [shard(tmp_path, validation, fold=0, **how)], needed=False)
    )
    found = preflight(experiment, records, held_out)
    assert [one.severity for one in found] == sorted(one.severity for one in found)  # errors first
    return {one.cause: one for one in found}


def assert_finding(found, cause, severity, *words):
    assert cause in found, f"found only {found}"
    assert found[cause].severity == severity
    for word in words:
        assert word in found[cause].sentence()
