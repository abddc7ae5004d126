"""scripts/doctor.py: the preflight by hand, and what machine this is."""

import subprocess
import sys
from pathlib import Path

import pytest
import record_files

import doctor
from detectnet.errors import UserError
from detectnet.network.loss import LossSettings
from detectnet.network.model import build_model, save_model
from detectnet.network.training import train

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
HELP = """
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    assert "tensorflow" not in sys.modules
"""


@pytest.fixture
def shards(tmp_path):
    return [record_files.write_shard(tmp_path, 6, fold=fold, seed=fold) for fold in (1, 0)]


@pytest.fixture
def examine(caplog):
    """Run the script's main function; its exit status and what it said."""

    def run(*arguments):
        caplog.set_level("INFO", logger="detectnet")
        caplog.clear()
        code = doctor.main(doctor.arguments().parse_args(list(map(str, arguments))))
        return code, caplog.text

    return run


def spec_file(path, **changes):
    path.write_text(record_files.experiment(**changes).to_text())
    return path


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("doctor.py", "mAP of zero"),
        ("train_detector.py", "instead of the spec's pretrained_model_file"),
        ("retrain_detector.py", "experiment spec with load_graph: true"),
    ],
)
def test_help_needs_no_tensorflow_and_says_what_it_is_for(script, word):
    done = subprocess.run(
        [sys.executable, "-c", HELP, SCRIPTS / script],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(SCRIPTS)},
    )
    assert done.returncode == 0, done.stderr
    assert word in " ".join(done.stdout.split())


def test_a_training_that_can_start(tmp_path, shards, examine):
    code, said = examine(spec_file(tmp_path / "spec.cfg"), "--training", shards[0], "--validation", shards[1])
    assert code == 0
    for word in ("python 3.11", "tensorflow 2.", "cores", "GiB of memory", "0 errors, 0 warnings"):
        assert word in said


def test_without_shards_those_of_the_spec_are_taken_and_errors_give_1(tmp_path, shards, examine):
    path = spec_file(tmp_path / "spec.cfg", shards=f"{tmp_path}/cars-*", folder=tmp_path, rate="0.5")
    path.write_text(path.read_text().replace("dbscan_eps: 0.3", "dbscan_eps: 0"))
    code, said = examine(path)
    assert code == 1
    assert said.count("6 pictures") == 2
    assert "1 errors, 1 warnings" in said
    assert said.index("[no-cluster]") < said.index("[learning-rate]")


def test_records_that_cannot_be_used_are_an_error_too(tmp_path, shards, examine):
    path = spec_file(tmp_path / "spec.cfg")
    code, said = examine(path, "--training", tmp_path / "not-there")
    assert code == 1
    assert "not-there" in said
    shards[1].write_bytes(b"")
    code, said = examine(path, "--training", shards[0], "--validation", shards[1])
    assert code == 1
    assert "validation fold is empty" in said


EARLY = """early_stopping_annealing_schedule { min_learning_rate: 5e-6 max_learning_rate: 2e-3
  soft_start_epochs: 1 annealing_epochs: 1 patience_steps: 1 }"""
REFUSED = [
    ({"schedule": EARLY}, "no pictures to validate on"),
    ({"model": "freeze_blocks: 0"}, "blocks are frozen at random weights"),
    ({"model": 'pretrained_model_file: "/nowhere/resnet10.hdf5"'}, "the initial model does not exist"),
    ({"model": "use_pooling: true"}, "not one in 16"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=lambda one: str(one)[:30])
def test_what_training_refuses_at_once_is_an_error_here_too(tmp_path, shards, examine, changes, words):
    path = spec_file(tmp_path / "spec.cfg", **changes)
    with pytest.raises(UserError, match=words):
        train(record_files.experiment(**changes), [shards[0]], [], tmp_path / "out")
    code, said = examine(path, "--training", shards[0])
    assert code == 1
    assert words in said
    assert "1 errors, 1 warnings" in said  # what else there is to say is said as well: no validation


def test_the_network_that_load_graph_names_is_looked_at(tmp_path, shards, examine):
    loss = LossSettings.from_spec(record_files.experiment())
    model = build_model(record_files.experiment().model_config, loss.classes, 112, 96, 3)
    save_model(model, tmp_path / "model.keras")
    graph = f'load_graph: true pretrained_model_file: "{tmp_path / "model.keras"}"'
    path = spec_file(tmp_path / "spec.cfg", model=graph)
    code, said = examine(path, "--training", shards[0], "--validation", shards[1])
    assert code == 1
    assert "(112, 96, 3)" in said
    (tmp_path / "model.keras").unlink()
    code, said = examine(path, "--training", shards[0], "--validation", shards[1])
    assert code == 0
    assert "not there yet" in said
