"""Pictures a second of the data stages, one process, on pictures of 1280x720 pixels.

Run with ``pytest tests/benchmarks``; it prints the rates and judges none, for they depend on the machine. The
input pipeline of the training is measured in test_training_benchmark.py.
"""

from __future__ import annotations

import itertools

import cv2
import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from detectnet import spec
from detectnet.data import duplicates, kitti, manifest, pictures
from detectnet.data.converter import convert_dataset
from detectnet.data.resizing import letterbox_source
from detectnet.data.tfrecord import example, read_records, write_shard
from detectnet.sources.convert import convert

pytestmark = pytest.mark.slow

PICTURES, RECORDS = 40, 1000
PLATE = kitti.Label("plate", box=(100.0, 100.0, 220.0, 140.0))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitti")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    draw = np.random.default_rng(0)
    rows = []
    for index in range(PICTURES):
        coarse = draw.integers(0, 256, (90, 160, 3), dtype=np.uint8)
        rgb = cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC)
        image, label = f"images/p{index:02d}.jpg", f"labels/p{index:02d}.txt"
        pictures.save_jpeg(folder / image, rgb)
        kitti.write_labels(folder / label, [PLATE])
        phash = str(imagehash.phash(Image.fromarray(rgb)))
        rows.append((image, label, 1280, 720, "", phash, "", "bench", 1))
    manifest.write(folder / "manifest.csv", pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    return folder / "manifest.csv"


@pytest.fixture
def rate(benchmark):
    """Run something a few times and note its rate: ``rate(count, function, *arguments)``."""

    def measure(count, function, *arguments, rounds=2):
        result = benchmark.pedantic(function, arguments, rounds=rounds)
        benchmark.extra_info["pictures_per_second"] = round(count / benchmark.stats.stats.min, 1)
        return result

    return measure


def test_convert(rate, source, tmp_path):
    declaration = {"adapter": "kitti", "classes": {"plate": "plate"}}
    made = rate(PICTURES, convert, declaration, source.parent, tmp_path / "bench", 1)
    assert len(made) == PICTURES


def test_letterbox(rate, source, tmp_path):
    made = rate(PICTURES, letterbox_source, source, tmp_path, 640, 640, 1)
    assert len(made) == PICTURES


def test_own_folders_to_records(rate, source, tmp_path):
    folders = f'root_directory_path: "{source.parent}" image_dir_name: "images" label_dir_name: "labels"'
    dataset = spec.parse(f'kitti_config {{ {folders} image_extension: ".jpg" val_split: 20 }}', "dataset")
    made = rate(PICTURES, lambda: convert_dataset(dataset, tmp_path / "set", workers=1))
    assert made["pictures"].sum() == PICTURES


def test_record_writing(rate, tmp_path):
    encoded = b"x" * 100_000

    def write():
        records = (example("images/p", 640, 640, [PLATE], encoded) for _ in range(RECORDS))
        return write_shard(tmp_path / "shard", records)

    assert rate(RECORDS, write, rounds=3) == RECORDS


def test_record_reading(rate, tmp_path):
    data = example("images/p", 640, 640, [PLATE], b"x" * 100_000)
    write_shard(tmp_path / "shard", itertools.repeat(data, RECORDS))
    assert rate(RECORDS, lambda: sum(1 for _ in read_records([tmp_path / "shard"])), rounds=3) == RECORDS


def test_near_duplicates_of_twenty_thousand(rate):
    draw = np.random.default_rng(0)
    hashes, mirrored = draw.integers(0, 2**64, (2, 20_000), dtype=np.uint64)
    hashes[1::1000] = hashes[::1000] ^ np.uint64(0b1011)
    found = rate(20_000, duplicates.near_pairs, hashes, mirrored, rounds=1)
    assert {(i, i + 1) for i in range(0, 20_000, 1000)} <= {tuple(row) for row in found[:, :2].tolist()}
