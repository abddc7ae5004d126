"""Pictures a second of the data stages, one process, on pictures of 1280x720 pixels.

Run with ``pytest tests/benchmarks``; it prints one table and judges no times, which depend on the machine.
"""

from __future__ import annotations

import itertools

import cv2
import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from detectnet.data import duplicates, kitti, manifest, pictures
from detectnet.data.resizing import letterbox_source
from detectnet.data.tfrecord import example, read_records, write_shard

PICTURES = 40


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
        kitti.write_labels(folder / label, [kitti.Label("plate", box=(100.0, 100.0, 220.0, 140.0))])
        phash = str(imagehash.phash(Image.fromarray(rgb)))
        rows.append((image, label, 1280, 720, "", phash, "", "bench", 1))
    manifest.write(folder / "manifest.csv", pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    return folder / "manifest.csv"


def seconds(benchmark):
    return benchmark.stats.stats.min


def test_letterbox(benchmark, source, tmp_path):
    benchmark.pedantic(letterbox_source, (source, tmp_path, 640, 640, 1), rounds=2)
    benchmark.extra_info["pictures_per_second"] = PICTURES / seconds(benchmark)


def test_record_writing(benchmark, source, tmp_path):
    labels = [kitti.Label("plate", box=(1.0, 2.0, 30.0, 40.0))]
    encoded = b"x" * 100_000

    def write():
        write_shard(tmp_path / "shard", (example("images/p", 640, 640, labels, encoded) for _ in range(1000)))

    benchmark.pedantic(write, rounds=3)
    benchmark.extra_info["pictures_per_second"] = 1000 / seconds(benchmark)


def test_record_reading(benchmark, tmp_path):
    labels = [kitti.Label("plate", box=(1.0, 2.0, 30.0, 40.0))]
    data = example("images/p", 640, 640, labels, b"x" * 100_000)
    write_shard(tmp_path / "shard", itertools.repeat(data, 1000))
    benchmark.pedantic(lambda: sum(1 for _ in read_records([tmp_path / "shard"])), rounds=3)
    benchmark.extra_info["pictures_per_second"] = 1000 / seconds(benchmark)


def test_near_duplicates_of_twenty_thousand(benchmark):
    draw = np.random.default_rng(0)
    hashes, mirrored = draw.integers(0, 2**64, (2, 20_000), dtype=np.uint64)
    hashes[1::1000] = hashes[::1000] ^ np.uint64(0b1011)
    found = benchmark.pedantic(duplicates.near_pairs, (hashes, mirrored), rounds=1)
    assert {(i, i + 1) for i in range(0, 20_000, 1000)} <= {tuple(row) for row in found[:, :2].tolist()}
