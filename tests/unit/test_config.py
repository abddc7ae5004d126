"""The closed config schema: typos are named with the nearest valid key, and README lists every key."""

from pathlib import Path

import pytest
import yaml
from PIL import Image

from detectnet import spec
from detectnet.config import check_classes, check_specs, complete, other_sizes, pretrained_name
from detectnet.deploy.cluster_params import load_settings
from detectnet.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "config" / "schema.yaml"


def minimal() -> dict:
    specs = {"dataset": "a.cfg", "train": "b.cfg", "retrain": "c.cfg", "infer": "d.json"}
    return {
        "run": "x",
        "sources": {
            "one": {"adapter": "voc", "licence": "CC0", "folder": "pictures", "classes": {"lp": "plate"}}
        },
        "specs": specs,
    }


def change(config: dict, path: str, value: object) -> dict:
    *parents, last = path.split(".")
    inner = config
    for part in parents:
        inner = inner.setdefault(part, {})
    inner[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("sorces", {}, "sorces: unknown key. Did you mean 'sources'?"),
        ("prune.ratoi", 0.2, "prune.ratoi: unknown key. Did you mean 'ratio'?"),
        ("sources.one.licens", "x", "sources.one.licens: unknown key. Did you mean 'licence'?"),
        ("sources.one.adapter", "vok", "'vok' is not allowed. Did you mean 'voc'?"),
        ("prune.normalizer", "l2", "'l2' is not allowed. Did you mean 'L2'?"),
        ("engine.backends", ["nanno"], "'nanno' is not allowed. Did you mean 'nano'?"),
        ("engine.nano.hots", "x", "engine.nano.hots: unknown key. Did you mean 'host'?"),
        ("engine.nano.host", "-oProxyCommand=x", "engine.nano.host: '-oProxyCommand=x' cannot be used"),
        ("engine.nano.folder", "a b", "engine.nano.folder: 'a b' cannot be used"),
        ("engine.rtx.compute_capabilities", [53], "53 is less than the minimum of 75"),
        ("export.opset", 20, "'20' is not allowed"),
        ("export.batch", 0, "export.batch: 0 is less than the minimum of 1"),
        ("export.batch", "many", "export.batch: 'many' cannot be used. Allowed: 1 and above, or dynamic"),
        ("export.names", "short", "export.names: 'short' is not allowed"),
        ("export.channel_order", "BGR", "export.channel_order: BGR with preprocess outside. Allowed: RGB"),
        ("prune.ratio", 1.5, "prune.ratio: 1.5 is greater than the maximum of 1"),
        ("prune.minimum", "many", "prune.minimum: 'many' is not of type 'integer'"),
        (
            "run",
            "my run",
            "run: 'my run' cannot be used. Allowed: letters a to z in either case, digits, _ and -",
        ),
        (
            "sources.my pictures",
            {},
            "sources: the name 'my pictures' cannot be used. Allowed: letters a to z",
        ),
        ("clips.cars-1", {"seed": 1}, "clips: the name 'cars-1' cannot be used. Allowed: letters a to z"),
        ("infer.cars", "my {x}", "infer.cars: 'my {x}' holds a brace, which Snakemake takes for a wildcard."),
        ("split.keep", "{x}.csv", "split.keep: '{x}.csv' holds a brace"),
        ("infer.my cars", "x", "infer: the name 'my cars' cannot be used. Allowed: letters a to z"),
        (
            "sources.one.archive",
            {"name": "a.tar", "sha256": "0" * 63},
            "Allowed: 64 hexadecimal digits (0 to 9, a to f); this has 63.",
        ),
        (
            "sources.one.archive",
            {"name": "a.tar", "sha256": "G" * 64},
            "Allowed: 64 hexadecimal digits (0 to 9, a to f).",
        ),
        ("sources.one.archive", {"name": "a.tar"}, "sources.one.archive: sha256 must be given"),
    ],
)
def test_a_mistake_is_named_with_its_place(path, value, said):
    with pytest.raises(UserError) as raised:
        complete(change(minimal(), path, value), SCHEMA)
    assert said in str(raised.value)


def test_all_mistakes_are_named_at_once():
    config = change(change(minimal(), "sorces", {}), "prune.ratoi", 1)
    with pytest.raises(UserError) as raised:
        complete(config, SCHEMA)
    assert "sorces" in str(raised.value)
    assert "ratoi" in str(raised.value)


@pytest.mark.parametrize("places", [{}, {"folder": "a", "scenes": {"count": 1, "seed": 1}}])
def test_a_source_has_one_kind_of_place(places):
    config = minimal()
    config["sources"]["one"] = {"adapter": "voc", "licence": "CC0", **places}
    with pytest.raises(UserError, match=r"sources\.one"):
        complete(config, SCHEMA)


def test_a_source_with_boxes_says_its_classes():
    config = minimal()
    del config["sources"]["one"]["classes"]
    with pytest.raises(UserError, match=r"sources\.one\.classes: must be given"):
        complete(config, SCHEMA)


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("prune.ratio", "0.2", 0.2),
        ("prune.ratio", "1", 1),
        ("prune.minimum", "32", 32),
        ("split.hash_distance", "4", 4),
        ("split.keep", "null", None),
        ("sources.one.options", {"ignore_size": "true", "origin": "1"}, {"ignore_size": True, "origin": 1}),
        ("export.opset", "13", 13),
        ("export.batch", "4", 4),
        ("export.batch", "dynamic", "dynamic"),
    ],
)
def test_a_nested_value_of_the_command_line_is_text_and_read_as_what_is_wanted(path, text, value):
    filled = complete(change(minimal(), path, text), SCHEMA)
    for part in path.split("."):
        filled = filled[part]
    assert filled == value
    assert type(filled) is type(value)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("prune.minimum", "16.5", "prune.minimum: '16.5' is not of type 'integer'"),
        ("prune.ratio", "NaN", "prune.ratio: 'NaN' is not of type 'number', 'null'"),
        ("sources.one.options.ignore_size", "yes", "'yes' is not of type 'boolean'"),
    ],
)
def test_other_texts_stay_text(path, text, said):
    with pytest.raises(UserError) as raised:
        complete(change(minimal(), path, text), SCHEMA)
    assert said in str(raised.value)


def test_a_text_that_may_be_text_stays_text():
    config = change(change(minimal(), "sources.one.licence", "2024"), "sources.one.classes", {"lp": "1"})
    source = complete(config, SCHEMA)["sources"]["one"]
    assert (source["licence"], source["classes"]) == ("2024", {"lp": "1"})


def test_every_pattern_of_the_schema_says_in_words_what_is_allowed():
    def patterns(inner):
        if isinstance(inner, list):
            return [one for part in inner for one in patterns(part)]
        if not isinstance(inner, dict):
            return []
        own = [inner] if isinstance(inner.get("pattern"), str) else []
        return own + [one for part in inner.values() for one in patterns(part)]

    found = patterns(yaml.safe_load(SCHEMA.read_text()))
    assert len(found) >= 8
    assert not [one for one in found if "allowed" not in one]


@pytest.mark.parametrize(("fold", "other"), [("training", "validation"), ("validation", "training")])
def test_no_fold_may_take_every_source(fold, other):
    config = change(minimal(), "sources.one.fold", fold)
    with pytest.raises(
        UserError, match=f"every source has fold {fold}, so that no picture is left for {other}"
    ):
        complete(config, SCHEMA)
    config["sources"]["two"] = {**config["sources"]["one"]}
    del config["sources"]["two"]["fold"]
    assert complete(config, SCHEMA)


def demo_specs(**others: Path) -> dict:
    demo = ROOT / "config" / "specs" / "demo"
    paths = {"train": demo / "experiment_config.cfg", "retrain": demo / "prunned_config.cfg"}
    kinds = {name: spec.load(path, "experiment") for name, path in paths.items()}
    return {**kinds, "infer": load_settings(others.get("infer", demo / "cluster_params.json"))}


def test_a_clustering_of_other_classes_is_found_before_anything_runs(tmp_path):
    given = (ROOT / "config" / "specs" / "demo" / "cluster_params.json").read_text()
    (tmp_path / "faces.json").write_text(given.replace('["plate"]', '["face"]').replace('"plate"', '"face"'))
    check_specs(demo_specs())
    with pytest.raises(UserError, match=r"faces\.json.*the target classes are face.*plate"):
        check_specs(demo_specs(infer=tmp_path / "faces.json"))


def test_a_class_of_a_source_that_looks_mistyped_is_refused_and_another_warned_of():
    experiment = demo_specs()["train"]
    mapped = {"sources": {"one": {"classes": {"a": "Plate", "b": "plate"}}}}
    assert check_classes(mapped, experiment) == []
    mapped["sources"]["one"]["classes"]["c"] = "dog"
    (warning,) = check_classes(mapped, experiment)
    assert warning.startswith("sources.one.classes: objects 'dog' are not trained")
    mapped["sources"]["one"]["classes"]["d"] = "palte"
    with pytest.raises(UserError, match=r"sources\.one\.classes: the class 'palte'.*Did you mean 'plate'"):
        check_classes(mapped, experiment)


def test_sources_that_were_resized_to_another_size_are_found(tmp_path):
    for name, size in (("small", (320, 320)), ("wide", (640, 384))):
        (tmp_path / name / "images").mkdir(parents=True)
        Image.new("RGB", size).save(tmp_path / name / "images" / "a.jpg")
    (tmp_path / "empty" / "images").mkdir(parents=True)
    names = ["small", "wide", "empty", "absent"]
    assert other_sizes(names, 640, 384, tmp_path) == {"small": (320, 320)}


def test_numbers_as_class_names_are_text():
    config = change(minimal(), "sources.one.classes", {0: "plate", "a": "plate"})
    assert complete(config, SCHEMA)["sources"]["one"]["classes"] == {"0": "plate", "a": "plate"}


@pytest.mark.parametrize(
    ("prune", "said"),
    [
        ({"ratio": None}, "none of ratio, threshold and budget"),
        ({"ratio": 0.2, "threshold": 0.1}, "ratio and threshold of ratio"),
        ({"ratio": 0.2, "budget": {"gflop": 3}}, "ratio and budget of ratio"),
        ({"threshold": 0.2, "budget": {"gflop": 3}}, "threshold and budget of ratio"),
        ({"budget": {}}, r"prune\.budget: has no limit"),
        ({"budget": {"gflops": 3}}, "Did you mean 'gflop'"),
        ({"budget": {"parameters": 1.5}}, "greater than the maximum of 1"),
    ],
)
def test_pruning_needs_exactly_one_target(prune, said):
    with pytest.raises(UserError, match=said):
        complete(change(minimal(), "prune", prune), SCHEMA)


@pytest.mark.parametrize("prune", [{"threshold": 0.1}, {"budget": {"parameters": 0.15, "gflop": 3.9}}])
def test_another_target_of_pruning_replaces_the_default_ratio(prune):
    filled = complete(change(minimal(), "prune", prune), SCHEMA)["prune"]
    assert {name: filled[name] for name in ("ratio", "threshold", "budget") if filled[name]} == prune


def test_defaults_are_filled_in_and_the_given_config_is_left_alone():
    given = minimal()
    filled = complete(given, SCHEMA)
    assert filled["prune"]["ratio"] == 0.15
    assert filled["sources"]["one"]["unlabelled"] == "drop"
    assert "prune" not in given


def keys(schema: dict, root: dict, prefix: str = ""):
    for name, inner in schema.get("properties", {}).items():
        target = root["$defs"][inner["$ref"].split("/")[-1]] if "$ref" in inner else inner
        yield f"{prefix}{name}"
        nested = target.get("additionalProperties")
        if isinstance(nested, dict) and "$ref" in nested:
            yield from keys(root["$defs"][nested["$ref"].split("/")[-1]], root, f"{prefix}{name}.*.")
        yield from keys(target, root, f"{prefix}{name}.")


def test_readme_describes_every_key():
    schema = yaml.safe_load(SCHEMA.read_text())
    text = (ROOT / "config" / "README.md").read_text()
    missing = [key for key in keys(schema, schema) if f"`{key}`" not in text]
    assert not missing


HASH = "0" * 64


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs either file or url"),
        ({"file": "a.hdf5", "url": "http://a/a.hdf5", "sha256": HASH}, "needs either file or url"),
        ({"sha256": HASH}, "needs either file or url"),
        ({"url": "http://a/a.hdf5"}, "pretrained.sha256: must be given with url"),
        ({"url": "http://a/a.hdf5", "sha256": "0"}, "pretrained.sha256: '0' cannot be used. Allowed: 64 hex"),
        ({"file": "net.tlt"}, "'net.tlt' is no weights file that can be read. Allowed: .hdf5, .h5, .keras"),
        ({"file": "a.hdf5", "name": "../a.hdf5"}, "pretrained.name: '../a.hdf5' cannot be used"),
        ({"fille": "a.hdf5"}, "pretrained.fille: unknown key. Did you mean 'file'?"),
    ],
)
def test_pretrained_weights_have_one_place_and_a_known_kind(given, said):
    config = change(minimal(), "pretrained", given)
    with pytest.raises(UserError) as raised:
        complete(config, SCHEMA)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"file": "folder/resnet_18.hdf5"}, "resnet_18.hdf5"),
        ({"url": "https://host/models/resnet%2018.hdf5?token=a/b"}, "resnet 18.hdf5"),
        ({"url": "https://host/download", "name": "resnet18.hdf5"}, "resnet18.hdf5"),
    ],
)
def test_pretrained_weights_are_named_after_their_place(given, name):
    assert pretrained_name(given) == name
