"""Files on disk: kinds, exit codes, contract, partial text."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from detectnet.contract import Contract
from detectnet.errors import UserError
from detectnet.spec import (
    clustering_of,
    contract_of,
    load,
    notes_of,
    parse,
    text_of,
)

ROOT = Path(__file__).parents[3]
SPECS = ROOT / "config" / "specs"


@pytest.fixture
def put(tmp_path):
    def written(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return written


def check(*paths: Path) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "scripts" / "check_spec.py"), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_report_is_standard_output_and_in_the_log(put, tmp_path, dataset):
    path, told = put("good.cfg", dataset), tmp_path / "check.log"
    script = ROOT / "scripts" / "check_spec.py"
    command = [sys.executable, str(script), "--log", str(told), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert "dataset conversion spec: OK" in done.stdout and not done.stderr
    assert "dataset conversion spec: OK" in told.read_text(encoding="utf-8")


def test_a_reader_that_has_seen_enough_gets_no_traceback(put, dataset):
    path = put("good.cfg", dataset)
    script = f"{sys.executable} {ROOT}/scripts/check_spec.py {' '.join([str(path)] * 200)} | head -1"
    done = subprocess.run(script, shell=True, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.count("\n") == 1 and not done.stderr


def demo_inference(folder: Path) -> tuple[dict, str]:
    params = load(folder / "cluster_params.json")
    assert (params.image_width, params.image_height) == (320, 320)
    return clustering_of(params)["plate"], "dbscan_confidence_threshold"


def plates_inference(folder: Path) -> tuple[dict, str]:
    handler = load(folder / "inference.cfg").bbox_handler_config
    config = handler.classwise_bbox_handler_config["plate"].clustering_config
    return config.to_dict(), "nms_confidence_threshold"


INFERENCE = {"demo": demo_inference, "plates": plates_inference}


@pytest.mark.parametrize("run", ["demo", "plates"])
def test_our_spec_files(run):
    train, retrain = (load(SPECS / run / name) for name in ("experiment_config.cfg", "prunned_config.cfg"))
    dataset = load(SPECS / run / "tlt_dataconvert_config.cfg")
    size = {"demo": 320, "plates": 640}[run]
    contract = contract_of(train)
    assert (contract.width, contract.height, contract.classes) == (size, size, ("plate",))
    assert contract_of(retrain) == contract
    assert retrain.model_config.load_graph and not train.model_config.load_graph
    assert (train.training_config.regularizer.type, retrain.training_config.regularizer.type) == (
        "L1",
        "NO_REG",
    )
    assert dataset.kitti_config.num_shards == {"demo": 2, "plates": 10}[run]
    # The deployed threshold belongs to the inference; a training is scored over all confidences.
    shown, cut = INFERENCE[run](SPECS / run)
    scored = contract.clustering["plate"]
    assert shown[cut] > scored[cut] == pytest.approx(0, abs=0.01)
    assert {**scored, cut: shown[cut]} == shown
    idle = [note.path for note in notes_of(train) if not note.replaced]
    assert idle == []
    # The paths in the file are those of a source that the run declares.
    config = yaml.safe_load(
        (ROOT / "config" / {"demo": "config.yaml", "plates": "plates.yaml"}[run]).read_text()
    )
    root = Path(dataset.kitti_config.root_directory_path)
    assert root == Path(dataset.image_directory_path)
    assert root.name in config["sources"]


def test_contract(experiment):
    contract = contract_of(parse(experiment))
    assert contract == Contract.from_json(contract.to_json())
    assert (contract.width, contract.height, contract.grid_width, contract.grid_height) == (960, 544, 60, 34)
    assert contract.classes == ("plate", "car")
    assert (contract.bbox_scale, contract.bbox_offset) == (35.0, 0.5)
    assert contract.clustering["car"] == {
        "coverage_threshold": 0.0075,
        "minimum_bounding_box_height": 20,
        "clustering_algorithm": "DBSCAN",
        "dbscan_eps": 0.2,
        "dbscan_min_samples": 1.0,
        "neighborhood_size": 0.0,
        "dbscan_confidence_threshold": 0.0,
        "nms_iou_threshold": 0.3,
        "nms_confidence_threshold": 0.0,
        "dbscan_min_coverage": None,
    }


def test_classes_come_in_the_order_of_the_cost_function(experiment):
    text = experiment.replace('name: "plate"', 'name: "X"').replace('name: "car"', 'name: "plate"')
    assert contract_of(parse(text.replace('name: "X"', 'name: "car"'))).classes == ("car", "plate")


def test_other_scale_is_noted(experiment):
    spec = parse(experiment.replace("scale: 35.0", "scale: 16.0"))
    assert contract_of(spec).bbox_scale == 16.0
    assert any("DeepStream" in note.text for note in notes_of(spec))


def test_kinds_are_found_out(put, experiment, dataset, inference, cluster_params):
    texts = {
        "experiment": experiment,
        "dataset": dataset,
        "inference": inference,
        "cluster_params": cluster_params,
    }
    for kind, text in texts.items():
        path = put(f"{kind}.txt", text)
        assert load(path).kind == kind
        assert load(path, kind) == load(path)
        assert check(path)[0] == 0
    with pytest.raises(UserError, match="no kind of spec file named 'expermient'"):
        load(path, "expermient")


def test_check_says_where_and_what(put, experiment, line_of):
    text = experiment.replace("num_epochs: 120", "num_epoch: 120").replace("type: L1", "type: L3")
    path = put("experiment.cfg", text)
    code, said = check(path, put("labels.txt", "plate\n"))
    assert code == 1
    for word, at in (("num_epoch", "num_epoch:"), ("regularizer.type", "type: L3")):
        assert f"{path}:{line_of(text, at)} training_config.{word}: " in said
    assert "Did you mean 'num_epochs'?" in said or "It belongs in" in said
    assert "NO_REG, L1, L2" in said
    assert "Traceback" not in said


def test_check_lists_fields_without_effect(put, experiment, line_of):
    text = experiment.replace("  checkpoint_interval: 10\n", "  enable_qat: true\n")
    path = put("experiment.cfg", text)
    code, said = check(path)
    assert code == 0
    idle, replaced = said.split("accepted, without effect here:")[1].split("replaced in the rules:")
    assert f"{path}:{line_of(text, 'enable_qat')} training_config.enable_qat: no effect: " in idle
    assert (
        f"{path}:{line_of(text, 'tfrecords_path')} dataset_config.data_sources[0].tfrecords_path" in replaced
    )


def test_load_says_once_what_has_no_effect(put, experiment, caplog):
    path = put("experiment.cfg", experiment.replace("  checkpoint_interval: 10\n", "  enable_qat: true\n"))
    with caplog.at_level(logging.INFO, logger="detectnet"):
        load(path)
    assert len([record for record in caplog.records if "without effect" in record.message]) == 1


def test_files_that_cannot_be_read(put, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "absent.cfg")
    with pytest.raises(UserError, match=r"broken.json:2: not valid JSON"):
        load(put("broken.json", '{\n "a" 1}'))


def test_byte_order_mark_and_windows_lines(put, experiment):
    path = put("experiment.cfg", "\ufeff" + experiment.replace("\n", "\r\n"))
    assert load(path) == parse(experiment)


def test_text_of_fields_inside_messages_lists_and_maps(experiment):
    spec = parse(experiment)
    assert text_of(spec, ["training_config.num_epochs"]) == "training_config {\n  num_epochs: 120\n}\n"
    entries = "".join(f'  target_classes {{\n    name: "{name}"\n  }}\n' for name in ("plate", "car"))
    names = text_of(spec, ["cost_function_config.target_classes.name"])
    assert names == f"cost_function_config {{\n{entries}}}\n"
    eps = text_of(spec, ["postprocessing_config.target_class_config.clustering_config.dbscan_eps"])
    assert eps.count("dbscan_eps") == 2 and "coverage_threshold" not in eps
    with pytest.raises(AttributeError, match="Did you mean 'num_epochs'"):
        text_of(spec, ["training_config.num_epoch"])


def test_text_of_ignores_layout_comments_and_other_messages(experiment):
    names = ["model_config", "training_config"]
    before = text_of(parse(experiment), names)
    after = experiment.replace("dbscan_eps: 0.15", "dbscan_eps: 0.3").replace(
        "  num_epochs: 120", "# x\nnum_epochs:120"
    )
    assert text_of(parse(after), names) == before
    assert text_of(parse(experiment.replace("num_epochs: 120", "num_epochs: 121")), names) != before
