"""The three scripts by hand, one after the other, as the pipeline runs them."""

import csv
import subprocess
import sys
from pathlib import Path

from staged import kitti_source, scene

SCRIPTS = Path(__file__).parents[3] / "scripts"


def run(script, *options, code=0):
    command = [sys.executable, SCRIPTS / f"{script}.py", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


def test_resize_split_and_pack(tmp_path):
    pictures = {f"p{index}.jpg": (scene(index), [(10.0, 20.0, 90.0, 50.0)], "") for index in range(6)}
    kitti = kitti_source(tmp_path / "kitti", pictures, "gate")
    resized, split, records = tmp_path / "gate", tmp_path / "split.csv", tmp_path / "records"
    config = tmp_path / "convert.cfg"
    config.write_text(
        'kitti_config { root_directory_path: "/x" image_dir_name: "images" label_dir_name: "labels"\n'
        '  image_extension: ".jpg" num_partitions: 2 num_shards: 2 val_split: 34 }\n'
    )
    run("letterbox_pictures", "--manifest", kitti, "--out", resized, "--width", 128, "--height", 96,
        "--workers", 2, "--log", tmp_path / "resize.log")  # fmt: skip
    manifest = resized / "manifest.csv"
    run("split_groups", "--manifest", f"gate={manifest}", "--share", 34, "--out", split,
        "--freeze", tmp_path / "frozen.csv")  # fmt: skip
    run("pack_tfrecords", "--manifest", manifest, "--source", "gate", "--split", split, "--spec", config,
        "--out-dir", records, "--workers", 2)  # fmt: skip
    with (records / "gate.manifest.csv").open() as handle:
        assert [row["pictures"] for row in csv.DictReader(handle)] == ["1", "1", "2", "2"]
    assert "6 of 6 pictures" in (tmp_path / "resize.log").read_text()
    assert len((tmp_path / "frozen.csv").read_text().splitlines()) == 7


def test_a_mistake_is_a_sentence(tmp_path):
    said = run(
        "split_groups", "--manifest", f"gate={tmp_path / 'manifest.csv'}", "--out", tmp_path / "x", code=1
    )
    assert "the manifest does not exist" in said
    assert "Traceback" not in said
    assert "is not SOURCE=" in run("split_groups", "--manifest", "gate", "--out", tmp_path / "x", code=2)
