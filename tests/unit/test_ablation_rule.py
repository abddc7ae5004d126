"""The graph of the target ablation: what each variant trains on, with which fields, and what is refused."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from detectnet import spec, variants
from detectnet.config import complete
from detectnet.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "config" / "schema.yaml"
FIELD = "augmentation_config.mixing { paste_probability: 0.3 }"
DEMO = "config/specs/demo/experiment_config.cfg"
CHANGES = {
    "pasting": {"fields": [FIELD, "training_config.ema_decay: 0.9"]},
    "more": {"sources": ["rendered_training"]},
}


def dry_run(folder, *arguments):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    return subprocess.run(
        ["snakemake", "ablation", "--dry-run", "--printshellcmds", *place, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
    )


def commands(said, script):
    """The words of the commands of a script, by the folder that they write."""
    lines = re.findall(rf"python \S*scripts/{script}\.py .*", said)
    words = [shlex.split(line) for line in lines]
    return {line[line.index("--out") + 1]: line for line in words}


def values(words, option):
    """What follows an option, up to the next one."""
    found = []
    for place in (index for index, word in enumerate(words) if word == option):
        end = next((i for i in range(place + 1, len(words)) if words[i].startswith("--")), len(words))
        found += words[place + 1 : end]
    return found


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    (folder / "config").symlink_to(ROOT / "config")
    sources = yaml.safe_load((ROOT / "config/config.yaml").read_text())["sources"]
    both = sources["rendered_validation"] | {"fold": "validation"}
    config = {"run": "tried", "ablation": {"spec": DEMO, "seeds": [3, 5], "changes": CHANGES}}
    config["sources"] = {"held_out": both, "always": sources["rendered_training"]}
    (folder / "tried.yaml").write_text(yaml.safe_dump(config))
    done = dry_run(folder, "--configfile", str(ROOT / "config/config.yaml"), "tried.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_variant_is_trained_and_evaluated_with_every_seed(said):
    folders = {
        f"results/tried/ablation/{variant}/seed-{seed}"
        for variant in ("baseline", "pasting", "more")
        for seed in (3, 5)
    }
    assert set(commands(said, "train_detector")) == folders
    assert set(commands(said, "evaluate_detector")) == {f"{one}/evaluation" for one in folders}
    assert len(re.findall(r"tabulate_ablation\.py", said)) == 1


def test_the_fields_of_a_variant_are_those_of_its_change_and_the_seed(said):
    for script, end in (("train_detector", ""), ("evaluate_detector", "/evaluation")):
        made = commands(said, script)
        place = "results/tried/ablation/{}/seed-{}" + end
        assert values(made[place.format("baseline", 3)], "--field") == ["random_seed: 3"]
        wanted = [*CHANGES["pasting"]["fields"], "random_seed: 5"]
        assert values(made[place.format("pasting", 5)], "--field") == wanted
        assert all(values(one, "--threads") == ["1"] for one in made.values())


def sources_in(words, option):
    return {Path(one).name.split("-fold-")[0] for one in values(words, option)}


def test_a_source_that_a_change_adds_is_trained_on_there_alone(said):
    made = commands(said, "train_detector")
    everywhere = {"always", "held_out", "rendered_validation"}
    for folder, words in made.items():
        added = {"rendered_training"} if "/more/" in folder else set()
        assert sources_in(words, "--training") == everywhere | added
        assert sources_in(words, "--validation") == everywhere | {"rendered_training"}


def test_the_table_is_told_the_changes(said):
    words = shlex.split(re.search(r"python \S*scripts/tabulate_ablation\.py .*", said)[0])
    told = json.loads(words[words.index("--ablation") + 1])
    assert told["changes"]["pasting"]["fields"][0] == FIELD and told["seeds"] == [3, 5]


def test_a_config_without_changes_says_how_to_name_them(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    done = dry_run(tmp_path)
    assert done.returncode != 0
    assert "the config names no changes to compare" in done.stdout + done.stderr


def test_the_committed_ablation_goes_with_the_real_run():
    config = yaml.safe_load((ROOT / "config/plates.yaml").read_text())
    config |= yaml.safe_load((ROOT / "config/ablation.yaml").read_text())
    ablation = complete(config, SCHEMA)["ablation"]
    found = variants.specs_of(ablation | {"spec": str(ROOT / ablation["spec"])}, plates())
    assert list(found) == ["baseline", *sorted(ablation["changes"])]
    lengths = {
        (one.training_config.num_epochs, one.training_config.steps_per_epoch) for one in found.values()
    }
    assert len(lengths) == 1 and 0 not in lengths.pop()
    texts = [one.to_text() for name, one in found.items() if ablation["changes"].get(name, {}).get("fields")]
    assert len({*texts, found["baseline"].to_text()}) == len(texts) + 1


def test_the_committed_ablation_is_planned_as_its_head_says(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    files = ("config/plates.yaml", "config/ablation.yaml")
    assert f"snakemake ablation --configfile {' '.join(files)}" in (ROOT / files[1]).read_text()
    done = dry_run(tmp_path, "--configfile", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    changes = yaml.safe_load((ROOT / files[1]).read_text())["ablation"]["changes"]
    made = commands(done.stdout, "train_detector")
    assert len(made) == 2 * (len(changes) + 1)
    assert sum("rendered" in sources_in(words, "--training") for words in made.values()) == 2


def plates():
    return spec.load(ROOT / "config/specs/plates/experiment_config.cfg", "experiment")


def ablation(**changes):
    given = {"fields": [], "sources": []}
    return {
        "spec": str(ROOT / DEMO),
        "seeds": [1, 2],
        "changes": {name: given | one for name, one in changes.items()},
    }


def test_a_baseline_for_other_pictures_is_refused():
    with pytest.raises(UserError, match="output_image_width is 320, and the records are made for 640"):
        variants.specs_of(ablation(one={"sources": ["x"]}), plates())


def test_a_change_of_the_input_size_is_refused_where_it_stands():
    line = "augmentation_config.preprocessing.output_image_height: 160"
    with pytest.raises(UserError, match=r"ablation\.changes\.flat .*output_image_height is 160"):
        variants.specs_of(ablation(flat={"fields": [line]}), spec.load(ROOT / DEMO, "experiment"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"none": {}}, "ablation.changes.none: changes nothing."),
        ({"none": {"sources": ["rendered_trainin"]}}, "Did you mean 'rendered_training'?"),
        ({"baseline": {"fields": ["random_seed: 1"]}}, "the name 'baseline' cannot be used"),
        ({"a b": {"fields": ["random_seed: 1"]}}, "the name 'a b' cannot be used"),
        (
            {"one": {"field": ["random_seed: 1"]}},
            "ablation.changes.one.field: unknown key. Did you mean 'fields'?",
        ),
        ({}, "ablation.changes: "),
    ],
)
def test_a_mistake_in_the_config_is_named_with_its_place(changes, said):
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    with pytest.raises(UserError) as raised:
        complete(config | {"ablation": {"spec": DEMO, "changes": changes}}, SCHEMA)
    assert said in str(raised.value)


def test_a_change_adds_no_source_that_is_kept_from_training():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["sources"]["rendered_training"]["train"] = False
    with pytest.raises(UserError, match=r"changes\.more\.sources: 'rendered_training' has train: false"):
        complete(config | {"ablation": {"spec": DEMO, "changes": CHANGES}}, SCHEMA)


def test_one_seed_has_no_spread():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    with pytest.raises(UserError, match=r"ablation\.seeds"):
        complete(config | {"ablation": {"spec": DEMO, "seeds": [1], "changes": CHANGES}}, SCHEMA)
