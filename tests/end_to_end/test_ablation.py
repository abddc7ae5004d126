"""A tiny ablation from rendered scenes to its table: two variants, two seeds."""

import json

import pandas as pd
import pytest
import yaml
from conftest import TINY

pytestmark = pytest.mark.slow

SPEC = "config/specs/tiny/experiment_config.cfg"
LINE = "augmentation_config.spatial_augmentation.hflip_probability: 0.25"


def configure(project, *fields):
    path = project.folder / TINY
    config = yaml.safe_load(path.read_text())
    changes = {"flipped": {"fields": list(fields), "sources": ["rendered_more"]}}
    config["ablation"] = {"spec": SPEC, "changes": changes}
    more = config["sources"]["rendered_training"]
    config["sources"]["rendered_more"] = more | {"scenes": more["scenes"] | {"count": 4, "seed": 9}}
    path.write_text(yaml.safe_dump(config))


def test_an_ablation_ends_in_its_table(unfinished):
    configure(unfinished, LINE)
    unfinished.edit(SPEC, "num_epochs: 2", "num_epochs: 2\n  steps_per_epoch: 3")
    unfinished.run("ablation")
    folder = unfinished.folder / "results/tiny/ablation"
    table = pd.read_csv(folder / "ablation.csv", keep_default_na=False).set_index("variant")
    assert list(table.index) == ["baseline", "flipped"]
    assert table.change["flipped"] == f"{LINE}; source rendered_more"
    assert (table.steps == 6).all() and (table.cpu_minutes > 0).all()
    for variant in table.index:
        for seed in (1, 2):
            place = folder / variant / f"seed-{seed}"
            measured = json.loads((place / "evaluation/metrics.json").read_text())
            assert table[f"AP_seed_{seed}"][variant] == pytest.approx(measured["mAP"], abs=6e-5)
            assert f"random_seed: {seed}\n" in (place / "spec.cfg").read_text()
            pictures = json.loads((place / "provenance.json").read_text())["records"]["training"]["pictures"]
            assert pictures == (28 if variant == "flipped" else 24)
    weights = {path.read_bytes() for path in folder.glob("*/*/model.hdf5")}
    assert len(weights) == 4
    assert (folder / "ablation.md").is_file() and (folder / "ablation.svg").is_file()

    assert "Nothing to be done" in unfinished.run("ablation")
    unfinished.edit(TINY, LINE, LINE.replace(": ", ":  "))
    assert unfinished.planned("ablation") == {"tabulate_ablation"}
    unfinished.edit(SPEC, "dbscan_eps: ", "dbscan_eps: 0.22 # ")
    assert unfinished.planned("ablation") == {"evaluate_ablation", "tabulate_ablation"}
