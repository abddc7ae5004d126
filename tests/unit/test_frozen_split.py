"""The committed split of the real pictures never changes: accuracies are compared across versions by it."""

import hashlib
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[2]
FROZEN = ROOT / "config" / "splits" / "plates.csv"
SHA256 = "b18d6f21334131bd1278c0fa1207c09b1b662ec622cefa1cb43bdb9b39aa255d"


def test_the_list_is_the_one_that_was_frozen():
    assert hashlib.sha256(FROZEN.read_bytes()).hexdigest() == SHA256


def test_every_source_is_in_it_and_no_group_is_torn_apart():
    rows = pd.read_csv(FROZEN)
    config = yaml.safe_load((ROOT / "config" / "plates.yaml").read_text())
    assert config["split"]["keep"] == str(FROZEN.relative_to(ROOT))
    real = {name for name, source in config["sources"].items() if "scenes" not in source}
    assert set(rows.source) == real
    assert (rows.groupby("group").fold.nunique() == 1).all()
    assert rows.sha256.str.fullmatch("[0-9a-f]{64}").all()
