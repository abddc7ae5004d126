"""A file that is no spec is named as what it is, with exit status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from check_spec import arguments, main
from detectnet.errors import UserError
from detectnet.spec import OtherKindError, load

NVINFER = "[property]\ngpu-id=0\nonnx-file=model.onnx\n[class-attrs-all]\npre-cluster-threshold=0.2\n"
PART = "net-scale-factor=0.00392156862745098\noffsets=0;0;0\ninfer-dims=3;544;960\n"
KITTI = "car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
APP = "[application]\nenable-perf-measurement=1\n[source0]\ntype=2\n"
TRITON = (
    'linewidth: 4\nstride: 16\nclasswise_clustering_config { key: "person" value { dbscan_config { } } }\n'
)
FASTER = 'random_seed: 42\nnetwork_config { arch: "resnet:18" }\ntraining_config { }\n'
SSD = 'random_seed: 42\nssd_config { arch: "mobilenet_v2" }\ntraining_config { }\neval_config { }\n'
CLASSIFICATION = 'model_config { arch: "resnet" n_layers: 18 }\neval_config { top_k: 3 }\ntrain_config { }\n'
CACHE = "TRT-8001-EntropyCalibration2\ninput_1: 3c010a14\nconv1/convolution: 3d8e3fb4\n"
COCO = json.dumps({"images": [], "annotations": [], "categories": []})
SEQUENCES = json.dumps({"0001": ["000000", "000001"], "0002": ["000002"]})

UNET = "random_seed: 42\nmodel_config { model_input_width: 320 }\ntraining_config { epochs: 50 }\n"
TASKS = 'model_config { arch: "resnet" }\ntraining_config { }\ndataset_config { train_csv_path: "/t.csv" }\n'
EFFICIENT = 'training_config { num_epochs: 3 }\ndataset_config { training_file_pattern: "/t/*" }\n'
CAFFE = 'name: "net"\nlayer {\n  name: "conv1"\n  type: "Convolution"\n}\n'
SERVER = 'name: "net"\nplatform: "tensorrt_plan"\ninput [ { name: "input_1" dims: [3, 384, 1248] } ]\n'
NVINFER_YAML = "property:\n  gpu-id: 0\n  net-scale-factor: 0.0039\n"
APP_YAML = "application:\n  enable-perf-measurement: 1\nstreammux:\n  batch-size: 1\n"

TEXTS = [
    ("config_infer_primary.txt", NVINFER, "an nvinfer configuration"),
    ("nvinfer_config.txt", PART, "an nvinfer configuration without its [property] section"),
    ("deepstream_app.txt", APP, "a deepstream-app configuration"),
    ("config_infer.yml", NVINFER_YAML, "an nvinfer configuration in YAML"),
    ("deepstream_app.yml", APP_YAML, "a deepstream-app configuration in YAML"),
    ("yolo.txt", "0 0.5 0.5 0.1 0.2\n2 0.25 0.5 0.1 0.1\n", "a YOLO label file"),
    ("unet.txt", UNET, "another network (UNet)"),
    ("tasks.txt", TASKS, "another network (multi-task classification)"),
    ("efficientdet.txt", EFFICIENT, "another network (EfficientDet)"),
    ("caffe.prototxt", CAFFE, "a text file of another kind"),
    ("config.pbtxt", SERVER, "a text file of another kind"),
    ("other.ini", "[paths]\na=1\n", "an INI file"),
    ("settings.conf", "max-rate=1\nmin-rate=0\n", "a list of settings"),
    ("labels.txt", "plate\ncar\n", "a list of labels"),
    ("labels_line.txt", "person;bag;face\n", "a list of labels"),
    ("0001.txt", KITTI + "\n", "a KITTI label file"),
    ("0002.txt", f"{KITTI} 0.93\n{KITTI} 0.5\n", "a KITTI label file"),
    ("calibration.bin", CACHE, "an INT8 calibration cache"),
    ("sequences.json", SEQUENCES, "a map from sequences to frames"),
    ("instances.json", COCO, "COCO annotations"),
    ("contract.json", '{"width": 640, "classes": ["plate"]}', "a JSON file of another kind"),
    ("list.json", "[1, 2]", "a JSON file of another kind"),
    ("train.ipynb", '{"cells": [], "nbformat": 4}', "a Jupyter notebook"),
    ("train.py", "import os\n\nmodel_config = {'arch': 'resnet'}\n", "a Python file"),
    ("config.yaml", "run: demo\nstages: [train]\n", "a YAML file"),
    ("train.yaml", "training_config:\n  num_epochs: 3\nmodel_config:\n  arch: resnet\n", "a YAML file"),
    ("boxes.csv", "name,x1,y1\na.png,1,2\nb.png,3,4\n", "a CSV table"),
    ("train.sh", "#!/bin/sh\ntlt-train detectnet_v2 -e spec.txt\n", "a script"),
    ("page.html", "<html>\n</html>\n", "an XML or HTML file"),
    ("triton.prototxt", TRITON, "a clustering file of the Triton client"),
    ("frcnn.txt", FASTER, "another network (Faster R-CNN)"),
    ("ssd.txt", SSD, "another network (SSD)"),
    ("classification.txt", CLASSIFICATION, "another network (image classification)"),
    ("notes.md", "# Notes\n\n* how the model was trained, and when?\n", "a text file of another kind"),
    ("empty.cfg", "\n", "an empty file"),
]
BINARIES = [
    ("model.onnx", b"\x08\x07\x12\x07pytorch\x1a\x051.0\xff", "an ONNX model"),
    ("model.hdf5", b"\x89HDF\r\n\x1a\n\x00\x00", "an HDF5 file"),
    ("model.keras", b"PK\x03\x04\x00\x00\xff", "a ZIP archive"),
    ("picture.png", b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    ("picture.jpg", b"\xff\xd8\xff\xe0", "a JPEG picture"),
    ("shard-00000-of-00010", (4).to_bytes(8, "little") + b"\x01\x02\x03\xff" * 3, "a file of TFRecords"),
    ("model.etlt", (7).to_bytes(4, "little") + b"input_1\xff\x00\x80", "an .etlt file"),
    ("model.engine", b"ftrt\x00\x01\xff", "a TensorRT engine"),
    ("utf16.cfg", "random_seed: 1".encode("utf-16"), "a text in UTF-16"),
    ("latin1.cfg", "random_seed: 42  # für".encode("latin-1"), "a text that is not UTF-8"),
    ("model.tlt", b"\x93\x01\xff\x00a", "a .tlt file (an encrypted model of TLT)"),
    ("text.tlt", b"random text", "a .tlt file"),
    ("model.bin", b"\x93\x01\xff\x00a", "a binary file"),
]


@pytest.mark.parametrize(("name", "content", "words"), [*TEXTS, *BINARIES])
def test_other_files_are_named_as_what_they_are(tmp_path, caplog, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(OtherKindError) as caught:
        load(path)
    assert words in caught.value.kind
    assert main(arguments().parse_args([str(path)])) == 2
    assert words in caplog.text and str(path) in caplog.text


def test_folder_is_named(tmp_path):
    with pytest.raises(OtherKindError, match="this is a folder"):
        load(tmp_path)


def test_path_below_a_file_is_an_error_of_the_user(tmp_path):
    (tmp_path / "spec.cfg").touch()
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path / "spec.cfg" / "more.cfg")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["good.cfg"], 0),
        (["good.cfg", "labels.txt"], 2),
        (["labels.txt", "bad.cfg"], 1),
        (["bad.cfg", "good.cfg"], 1),
        (["labels.txt", "absent.cfg"], 1),
    ],
)
def test_exit_status_of_several_files(tmp_path, dataset, names, code):
    texts = {"good.cfg": dataset, "bad.cfg": dataset.replace("val_split", "val_spilt"), "labels.txt": "car\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert main(arguments().parse_args([str(Path(tmp_path, name)) for name in names])) == code
