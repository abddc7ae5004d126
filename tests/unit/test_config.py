"""The closed config schema: typos are named with the nearest valid key, and README lists every key."""

from pathlib import Path

import pytest
import yaml

from detectnet.config import complete, pretrained_name
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
        ("engine.backends", ["nano"], "'nano' is not allowed"),
        ("engine.backends", ["tensorrt"], "'tensorrt' is not allowed"),
        ("export.opset", 20, "'20' is not allowed"),
        ("prune.ratio", 1.5, "prune.ratio: 1.5 is greater than the maximum of 1"),
        ("prune.minimum", "many", "prune.minimum: 'many' is not of type 'integer'"),
        ("run", "my run", "run: 'my run' does not match"),
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


def test_numbers_as_class_names_are_text():
    config = change(minimal(), "sources.one.classes", {0: "plate", "a": "plate"})
    assert complete(config, SCHEMA)["sources"]["one"]["classes"] == {"0": "plate", "a": "plate"}


def test_pruning_needs_a_target():
    config = change(change(minimal(), "prune.ratio", None), "prune.threshold", None)
    with pytest.raises(UserError, match="ratio and threshold are both null"):
        complete(config, SCHEMA)


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
        ({"url": "http://a/a.hdf5", "sha256": "0"}, "pretrained.sha256: '0' does not match"),
        ({"file": "net.tlt"}, "'net.tlt' is no weights file that can be read. Allowed: .hdf5, .h5, .keras"),
        ({"file": "a.hdf5", "name": "../a.hdf5"}, "pretrained.name: '../a.hdf5' does not match"),
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
