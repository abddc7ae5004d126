"""The migration page's own command lines, typed one after the other where a TLT user's files lie."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import onnxruntime
import pytest
from prepared import COUNT, ROOT, SIZE, prepare, typed

from detectnet.data.kitti import read_detections
from detectnet.data.pictures import load
from detectnet.data.tfrecord import read_shard
from detectnet.files import sha256

PAGE = (ROOT / "docs" / "migration.md").read_text()
LINES = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
RECIPE = (
    "tlt-export --export_module detectnet_v2 -k flp --outputs output_bbox/BiasAdd,output_cov/Sigmoid "
    "--data_type fp16 -o {}.etlt {}"
)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """The folder after all commands, and what each said, in the order of the page."""
    folder = prepare(tmp_path_factory.mktemp("user"))
    said = []
    for line in LINES:
        done = typed(line, folder)
        assert done.status == 0, f"{line}\n{done.said}"
        said.append(done.said)
    return folder, dict(zip(LINES, said, strict=True))


def of(walk, *parts: str) -> str:
    """What the one command that holds these parts said."""
    found = [said for line, said in walk[1].items() if all(part in line for part in parts)]
    assert len(found) == 1, parts
    return found[0]


@pytest.mark.slow
def test_every_command_of_both_generations_is_on_the_page():
    programs = {line.split()[0] for line in LINES}
    assert programs >= {f"tlt-{one}" for one in ("dataset-convert", "train", "evaluate", "prune", "infer")}
    second = {line.split()[1] for line in LINES if line.startswith("detectnet ")}
    assert second == {"dataset_convert", "train", "evaluate", "prune", "inference", "export"}
    recipe = RECIPE.format("results/export/plates", "results/retrain/weights/resnet18_pruned.tlt")
    assert recipe in LINES


@pytest.mark.slow
def test_records_have_nvidias_names_and_counts(walk):
    folder, _ = walk
    names = sorted(path.name for path in (folder / "tfrecords").glob("plates-fold-*"))
    assert names == [
        f"plates-fold-{fold:03d}-of-002-shard-{shard:05d}-of-00002" for fold in (0, 1) for shard in (0, 1)
    ]
    records = [record for name in names for record in read_shard(folder / "tfrecords" / name)]
    assert len(records) == COUNT
    said = of(walk, "tlt-dataset-convert")
    assert "Wrote the following numbers of objects:\nplate: " in said
    labels = [line for path in (folder / "data/labels").iterdir() for line in path.read_text().splitlines()]
    assert f"plate: {len(labels)}\n" in said


@pytest.mark.slow
def test_weights_lie_where_nvidia_puts_them(walk):
    folder, _ = walk
    results = folder / "results/train"
    weights = results / "weights/resnet18_detector.hdf5"
    assert sha256(weights) == sha256(results / "model.hdf5")
    with h5py.File(weights) as file:
        assert "output_cov" in file["model_weights"].attrs["layer_names"].astype(str)
    assert {path.name for path in results.iterdir()} >= {"model.keras", "history.csv", "spec.cfg", "events"}
    assert "the best validated epoch" in of(walk, "tlt-train", "results/train")


@pytest.mark.slow
def test_a_key_is_said_to_be_unneeded_once(walk):
    assert of(walk, "tlt-train", "results/train").count("no key is needed") == 1
    assert "no key is needed" not in of(walk, "tlt-dataset-convert")


@pytest.mark.slow
def test_the_same_training_is_not_done_twice(walk):
    assert "nothing to do" in of(walk, "detectnet train")


@pytest.mark.slow
def test_the_retraining_starts_from_what_the_spec_calls_tlt(walk):
    folder, _ = walk
    origin = json.loads((folder / "results/retrain/provenance.json").read_text())["initial_weights"]
    assert origin["kind"] == "graph"
    assert origin["sha256"] == sha256(folder / "results/pruned/resnet18_pruned.hdf5")
    assert "resnet18_pruned.tlt: taken is" in of(walk, "tlt-train", "results/retrain")


@pytest.mark.slow
def test_evaluation_prints_taos_table(walk):
    table = (
        r"\nValidation cost: \d\.\d{6}\nMean average_precision \(in %\): \d+\.\d{4}\n\n"
        r"\+-+\+-+\+\n\| class name \| average precision \(in %\) \|\n\+-+\+-+\+\n\| +plate +\|"
    )
    for line in (("tlt-evaluate", "results/train"), ("detectnet evaluate",)):
        assert re.search(table, of(walk, *line))


@pytest.mark.slow
def test_only_an_evaluation_with_a_folder_leaves_files(walk):
    folder, _ = walk
    metrics = json.loads((folder / "results/train/evaluation/metrics.json").read_text())
    assert metrics["images"] == 3
    assert metrics["stage"] == "resnet18_detector"
    assert len(list(folder.rglob("metrics.json"))) == 1


@pytest.mark.slow
def test_pruning_keeps_what_the_flags_say(walk):
    folder, _ = walk
    said = of(walk, "detectnet prune")
    kept = json.loads((folder / "results/pruned/pruning.json").read_text())
    assert kept["arguments"]["threshold"] == 0.5
    assert (kept["arguments"]["granularity"], kept["arguments"]["minimum"]) == (8, 8)
    assert f"{kept['ratio']:.6f}" in said
    with h5py.File(folder / "results/pruned/tao.hdf5") as file:
        filters = file["model_weights/conv1/conv1/kernel:0"].shape[-1]
    (row,) = [
        line.split(",")
        for line in (folder / "results/pruned/pruning.csv").read_text().splitlines()
        if line.startswith("conv1,")
    ]
    assert int(row[2]) == filters
    assert (folder / "results/pruned/tao.keras").is_file()


@pytest.mark.slow
def test_inference_looks_at_nvidias_kinds_of_files_in_any_case(walk):
    folder, _ = walk
    for out in ("infer", "inference"):
        labels = folder / "results" / out / "labels"
        assert sorted(path.name for path in labels.iterdir()) == ["gate.txt", "street.txt", "yard.txt"]
        pictures = folder / "results" / out / "images_annotated"
        assert {load(path).shape for path in pictures.iterdir()} == {(SIZE, SIZE, 3)}


@pytest.mark.slow
def test_inference_writes_sixteen_columns_under_the_mapped_name(walk):
    folder, _ = walk
    label = folder / "results/inference/labels/yard.txt"
    names, boxes, confidence = read_detections(label)
    assert set(names) == {"licence_plate"}
    assert len(boxes) == len(confidence) > 0
    first = label.read_text().splitlines()[0].split()
    assert (first[1:4], first[8:15]) == (["0.00", "0", "0.00"], ["0.00"] * 7)
    assert boxes.min() >= 0
    assert boxes.max() <= SIZE


@pytest.mark.slow
def test_etlt_becomes_onnx_and_is_said(walk):
    folder, _ = walk
    said = of(walk, "tlt-export")
    assert "plates.etlt: written is results/export/plates.onnx" in said
    assert "fp16 is chosen where the engine is built" in said
    assert not (folder / "results/export/plates.etlt").exists()
    session = onnxruntime.InferenceSession(str(folder / "results/export/plates.onnx"))
    assert {one.name for one in session.get_outputs()} == {"output_cov/Sigmoid", "output_bbox/BiasAdd"}
    contract = json.loads((folder / "results/export/plates.contract.json").read_text())
    assert contract["model_sha256"] == sha256(folder / "results/export/plates.onnx")


@pytest.mark.slow
def test_both_exports_of_one_network_say_the_same(walk):
    folder, _ = walk
    picture = np.random.default_rng(0).random((1, 3, SIZE, SIZE), np.float32)
    first, second = (
        onnxruntime.InferenceSession(str(folder / f"results/export/{name}.onnx")).run(
            ["output_cov/Sigmoid"], {"input_1": picture}
        )[0]
        for name in ("plates", "tao")
    )
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.slow
def test_the_deepstream_file_is_whole_and_names_the_export(walk):
    text = (walk[0] / "results/export/nvinfer_config.txt").read_text()
    assert "[property]" in text
    assert "\nonnx-file=tao.onnx\n" in text
    assert "\nmodel-engine-file=tao.onnx_b1_gpu0_fp32.engine\n" in text
    assert (walk[0] / "results/export/labels.txt").read_text() == "plate\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{export} --data_type int8 -o other.etlt {model}", "Nano has no INT8.*Allowed: fp16, fp32"),
        ("{export} -o results/export/plates.etlt {model}", "plates.onnx: the file exists.*--force"),
        ("{export} --outputs output_bbox/Bias -o other {model}", "Did you mean 'output_bbox/BiasAdd'"),
        ("{export} -o other {model} -m {model}", "2 models are given"),
        ("{export} --export_module ssd -o other {model}", "'ssd' is not made here"),
        ("{export} -o other results/pruned/tao.hdf5", "does not say its classes.*Add -e"),
        ("{export} -o other.keras {model}", ".keras is not what the command writes"),
        ("tlt-prune -m {model} -o {model}", "would overwrite"),
        ("tlt-prune -m {model} -o other -eq unoin", "Did you mean 'union'"),
        ("tlt-prune -m {model} -o other -el conv_1", "Did you mean"),
        ("tlt-evaluate -e specs/inference.prototxt -m {model}", "inference.prototxt"),
        ("tlt-infer -cp specs/cluster_params.json -i pictures -o out", "names no model.*-m"),
        ("tlt-infer -e specs/experiment_config.cfg -i pictures -o out", "does not say how inference"),
        ("tlt-infer -cp specs/cluster_params.json -i pictures -o out -m results/nix.tlt", "does not exist"),
        ("tlt-train -e specs/nix.cfg -r out", "no such file"),
    ],
)
def test_what_cannot_be_done_is_said(walk, line, message):
    folder, _ = walk
    model = "results/retrain/weights/resnet18_pruned.hdf5"
    done = typed(line.format(export="tlt-export -k flp", model=model), folder)
    assert done.status == 1, done.said
    assert re.search(message, done.said, re.DOTALL), done.said
    assert "Traceback" not in done.said
    assert not list(Path(folder).glob("other*"))


@pytest.mark.slow
def test_an_existing_export_is_replaced_when_asked(walk):
    folder, _ = walk
    line = next(one for one in LINES if one.startswith("tlt-export"))
    before = sha256(folder / "results/export/plates.onnx")
    assert typed(f"{line} --force", folder).status == 0
    assert sha256(folder / "results/export/plates.onnx") == before


@pytest.mark.slow
def test_the_spec_names_the_model_where_no_flag_does(walk):
    folder, _ = walk
    words = "tlt-infer -e specs/inference.prototxt -i pictures/yard.png -r results/spec_model"
    done = typed(words, folder)
    assert done.status == 0, done.said
    assert "resnet18_pruned.tlt: taken is" in done.said
    same = "labels/yard.txt"
    assert (folder / "results/spec_model" / same).read_text() == (
        folder / "results/inference" / same
    ).read_text()


@pytest.mark.slow
def test_the_exported_network_finds_what_the_trained_one_does(walk):
    folder, _ = walk
    words = "tlt-infer -e specs/inference.prototxt -i pictures -r results/exported -m results/export/tao.onnx"
    assert typed(words, folder).status == 0
    for name in ("gate", "street", "yard"):
        _, first, _ = read_detections(folder / f"results/inference/labels/{name}.txt")
        _, second, _ = read_detections(folder / f"results/exported/labels/{name}.txt")
        np.testing.assert_allclose(first, second, atol=0.01)


@pytest.mark.slow
def test_an_exported_network_is_evaluated_alike(walk):
    folder, _ = walk
    words = "tlt-evaluate -e specs/prunned_config.cfg -r results/onnx -f tensorrt -m results/export/tao.onnx"
    done = typed(words, folder)
    assert done.status == 0, done.said
    assert "the file's kind decides" in done.said
    assert json.loads((folder / "results/onnx/metrics.json").read_text())["images"] == 3
