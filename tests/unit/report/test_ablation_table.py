"""The arithmetic of the ablation's table, worked by hand, and its three files."""

import json
import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from detectnet.errors import UserError
from detectnet.report.ablation import compared, write_ablation

# variant: AP of the seeds 1 and 2
SEEDS = {
    "baseline": (0.5, 0.5625),
    "helps": (0.75, 0.6875),
    "harms": (0.25, 0.125),
    "at_the_spread": (0.59375, 0.59375),
    "shaky": (0.5, 0.875),
}
# mean, difference to 0.53125, the larger spread of 0.0625 and its own, verdict
WORKED = {
    "baseline": (0.53125, 0.0, 0.0625, ""),
    "helps": (0.71875, 0.1875, 0.0625, "gain"),
    "shaky": (0.6875, 0.15625, 0.375, "no effect"),
    "at_the_spread": (0.59375, 0.0625, 0.0625, "no effect"),
    "harms": (0.1875, -0.34375, 0.125, "loss"),
}
LINE = "augmentation_config.mixing { paste_max: 2 }"
ABLATION = {
    "spec": "base.cfg",
    "seeds": [1, 2],
    "changes": {
        "helps": {"fields": [LINE, "training_config.ema_decay: 0.9"], "sources": []},
        "harms": {"fields": [], "sources": ["rendered"]},
        "at_the_spread": {"fields": ["random_seed: 1"], "sources": []},
        "shaky": {"fields": ["random_seed: 2"], "sources": []},
    },
}


@pytest.fixture
def folder(tmp_path):
    """Results of ten trainings: AP70 is half of AP, AP of all sizes a quarter."""
    for variant, values in SEEDS.items():
        for seed, value in enumerate(values, start=1):
            place = tmp_path / variant / f"seed-{seed}"
            (place / "evaluation").mkdir(parents=True)
            provenance = {"steps": 100, "cpu_seconds": 60.0 * seed}
            (place / "provenance.json").write_text(json.dumps(provenance))
            (place / "evaluation/metrics.json").write_text(json.dumps(metrics(value)))
    return tmp_path


def metrics(value):
    """metrics.json as an evaluation writes it, with rows that are none of the headline's."""
    rows = [
        ("tlt", "correct", 0.5, value),
        ("tlt", "correct", 0.7, value / 2),
        ("tlt", "correct", {"plate": 0.5, "car": 0.6}, 0.99),
        ("tlt", "tao-integrate", 0.5, 0.99),
        ("nms", "correct", 0.5, 0.99),
        ("nms", "correct", 0.7, 0.99),
    ]
    return {
        "deployed": {"clustering": "tlt", "ap": "correct", "iou": 0.5},
        "results": [dict(zip(("clustering", "ap", "iou", "mAP"), row, strict=True)) for row in rows],
        "all_sizes": {"mAP": value / 4, "mAP70": 0.99},
    }


def test_the_table_is_what_hand_and_pencil_give(folder):
    write_ablation(ABLATION, folder)
    table = pd.read_csv(folder / "ablation.csv", keep_default_na=False).set_index("variant")
    assert list(table.index) == list(WORKED)  # the baseline, then from gain to loss
    for name, (mean, difference, spread, verdict) in WORKED.items():
        row = table.loc[name]
        assert (row.AP, row.difference, row.spread) == pytest.approx((mean, difference, spread), abs=6e-5)
        assert row.verdict == verdict
        assert (row.AP_seed_1, row.AP_seed_2) == pytest.approx(SEEDS[name], abs=6e-5)
        assert (row.AP70, row.AP_all_sizes) == pytest.approx((mean / 2, mean / 4), abs=6e-5)
        assert (row.steps, row.cpu_minutes) == (100, 1.5)
    assert table.change["helps"] == f"{LINE}; training_config.ema_decay: 0.9"
    assert table.change["harms"] == "source rendered"
    assert table.change["baseline"] == ""


def test_the_page_has_a_row_a_variant_and_names_what_was_changed(folder):
    write_ablation(ABLATION, folder)
    rows = [line for line in (folder / "ablation.md").read_text().splitlines() if line.startswith("|")]
    assert [row.split(" | ")[0] for row in rows[2:]] == [f"| {name}" for name in WORKED]
    assert len({row.count(" | ") for row in rows}) == 1
    assert f"`{LINE}`<br>`training_config.ema_decay: 0.9`" in rows[3]
    assert "| +0.188 | 0.062 | gain |" in rows[3] and "| -0.344 | 0.125 | loss |" in rows[-1]


def test_the_figure_names_every_variant_and_is_the_same_again(folder):
    write_ablation(ABLATION, folder)
    first = (folder / "ablation.svg").read_bytes()
    assert ET.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"
    write_ablation(ABLATION, folder)
    assert (folder / "ablation.svg").read_bytes() == first
    changed = json.loads(json.dumps(metrics(0.9)))
    (folder / "helps/seed-1/evaluation/metrics.json").write_text(json.dumps(changed))
    write_ablation(ABLATION, folder)
    assert (folder / "ablation.svg").read_bytes() != first


def test_more_seeds_spread_from_the_smallest_to_the_largest():
    rows = [("baseline", seed, ap) for seed, ap in enumerate((0.5, 0.5, 0.5))]
    rows += [("change", seed, ap) for seed, ap in enumerate((0.5, 1.0, 0.75))]
    trained = pd.DataFrame(rows, columns=["variant", "seed", "AP"])
    table = compared(trained.assign(steps=1, cpu_minutes=1.0, AP70=0.0, AP_all_sizes=0.0)).set_index(
        "variant"
    )
    assert table.spread["change"] == 0.5 and table.AP["change"] == 0.75
    assert table.verdict["change"] == "no effect"


def test_without_ground_truth_there_is_no_verdict(folder):
    measured = metrics(0.5) | {"all_sizes": {"mAP": None}}
    (folder / "harms/seed-2/evaluation/metrics.json").write_text(json.dumps(measured))
    with pytest.raises(UserError, match=r"harms/seed-2/evaluation: no AP"):
        write_ablation(ABLATION, folder)


def test_a_training_that_is_missing_is_named(folder):
    (folder / "harms/seed-2/provenance.json").unlink()
    with pytest.raises(UserError, match=r"harms/seed-2/provenance\.json"):
        write_ablation(ABLATION, folder)
