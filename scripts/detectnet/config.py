"""The workflow's config: a closed schema, defaults filled in, every problem named at once."""

from __future__ import annotations

import copy
import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from PIL import Image

from detectnet.deploy.cluster_params import ClusterParams
from detectnet.errors import UserError, did_you_mean, nearest
from detectnet.files import PathLike
from detectnet.sources.declaration import PLACES
from detectnet.spec import contract_of

_MESSAGE_OF = {"classes": "cost_function_config"}
WEIGHTS = (".hdf5", ".h5", ".keras")
PRUNING_TARGETS = ("ratio", "threshold", "budget")
"""How far to prune: exactly one of these counts. The first has a default, which gives way to another."""


def complete(config: dict[str, Any], schema_path: PathLike) -> dict[str, Any]:
    """The config with defaults filled in.

    Args:
        config: the parsed config, as Snakemake merged it. A text where the schema wants a number, a boolean
            or null is read as one: Snakemake hands nested values of ``--config`` over as text.
        schema_path: JSON schema (draft 2020-12) written as YAML.

    Raises:
        UserError: lists every unknown key (with the nearest valid one), wrong type and value.
    """
    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    given = _typed(_with_text_keys(config), schema, schema)
    filled = _with_defaults(copy.deepcopy(given), schema, schema)
    _settle_pruning(given, filled)
    errors = sorted(Draft202012Validator(schema).iter_errors(filled), key=lambda error: list(error.path))
    problems = [line for error in errors for line in _explain(error)] or [
        *_places(filled),
        *_mappings(given),
        *_folds(filled),
        *_braces(filled),
        *_pruning(filled),
        *_pretrained(filled),
        *_ablation(filled),
        *_export(filled),
    ]
    if problems:
        raise UserError(
            "the config cannot be used:\n  " + "\n  ".join(problems),
            remedy="\nEvery key is described in config/README.md.",
        )
    return filled


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The schema that a ``$ref`` of ``root`` points at, or ``schema`` itself."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def check_specs(specs: dict[str, Any]) -> None:
    """Raise UserError where the specs of training, retraining and inference are not of one network.

    Args:
        specs: messages of the experiment specs ``train`` and ``retrain``, and of ``infer``: an inference
            spec or a clustering file.
    """
    for name in ("train", "retrain"):
        _check_not_stretched(specs[name].augmentation_config.preprocessing)
    first, second = (contract_of(specs[name]) for name in ("train", "retrain"))
    for name in ("width", "height", "channels", "classes"):
        before, after = getattr(first, name), getattr(second, name)
        if before != after:
            raise UserError(
                f"{name} is {after} when retraining and {before} in the first training",
                where=specs["retrain"].where(_MESSAGE_OF.get(name, "augmentation_config")),
                remedy="A pruned network keeps its input and classes: make the two specs agree.",
            )
    ClusterParams.from_message(specs["infer"]).applied(second)


def _check_not_stretched(preprocessing: Any) -> None:
    if preprocessing.enable_auto_resize:
        raise UserError(
            "enable_auto_resize: true makes a detector for stretched pictures, and these rules letterbox all "
            "pictures to the network's size before they are packed",
            where=preprocessing.where("enable_auto_resize"),
            remedy="Remove the line: the pictures of the records already have the network's size.",
        )


def check_classes(config: dict[str, Any], experiment: Any) -> list[str]:
    """Compare the classes that sources are mapped to with those that the training knows.

    Args:
        config: a complete config.
        experiment: message of the experiment spec of the first training.

    Returns:
        a warning for each class of a source that is none of the ``target_class_mapping``: it is not trained.

    Raises:
        UserError: such a class looks like a mistyped one.
    """
    known = {name.lower() for name in experiment.dataset_config.target_class_mapping}
    mapping = f"target_class_mapping of {experiment.where('dataset_config')}"
    warnings = []
    for source, entry in sorted(config["sources"].items()):
        for name in sorted({one for one in entry["classes"].values() if one.lower() not in known}):
            where = f"sources.{source}.classes"
            if nearest(name, known):
                raise UserError(
                    f"the class '{name}' is none of the {mapping}",
                    where=where,
                    allowed=sorted(known),
                    remedy=did_you_mean(name, known),
                )
            warnings.append(f"{where}: objects '{name}' are not trained, the {mapping} lacks the class.")
    return warnings


def other_sizes(
    sources: list[str], width: int, height: int, folder: PathLike = "data/resized"
) -> dict[str, tuple[int, int]]:
    """Sources whose resized pictures are not of this size: name -> (width, height) in pixels.

    One picture of each source is looked at; sources without any are left out.
    """
    found = {}
    for source in sources:
        first = next(Path(folder, source, "images").glob("*.jpg"), None)
        if first is not None:
            with Image.open(first) as picture:
                found[source] = picture.size
    return {source: size for source, size in found.items() if size != (width, height)}


def pretrained_name(pretrained: dict[str, str]) -> str:
    """File name of the config's ``pretrained``: its ``name``, or the last part of its ``file`` or ``url``."""
    given = pretrained.get("name") or pretrained.get("file") or urllib.parse.urlsplit(pretrained["url"]).path
    return urllib.parse.unquote(given).rsplit("/", 1)[-1]


def initial_model(config: dict[str, Any], experiment: Any) -> str | None:
    """The file whose weights the first training starts from, relative to the working directory.

    Args:
        config: a complete config; its ``pretrained`` goes before the spec's ``pretrained_model_file``.
        experiment: message of the experiment spec of the first training.

    Returns:
        None where neither names a file: the training starts from random weights.

    Raises:
        UserError: the file that is named does not exist on this machine.
    """
    pretrained = config["pretrained"] or {}
    model = experiment.model_config
    path = pretrained.get("file") or ("" if pretrained else model.pretrained_model_file)
    if path and not Path(path).is_file():
        raise UserError(
            f"the weights to start from do not exist: {path}",
            where="pretrained.file" if pretrained else model.where("pretrained_model_file"),
            remedy="Mend the path, or leave it out to start from random weights.",
        )
    return f"data/pretrained/{pretrained_name(pretrained)}" if pretrained else path or None


def _with_text_keys(value: Any) -> Any:
    # YAML reads an unquoted 0 or 2024 as a number; names of classes and sources are text.
    if isinstance(value, dict):
        return {str(key): _with_text_keys(inner) for key, inner in value.items()}
    return value


def _typed(value: Any, schema: dict, root: dict) -> Any:
    schema = resolve(schema, root)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        inner = {key: known.get(key, others) for key in value}
        return {
            key: _typed(one, inner[key], root) if isinstance(inner[key], dict) else one
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_typed(one, schema.get("items", {}), root) for one in value]
    return _read(value, schema) if isinstance(value, str) else value


def _read(text: str, schema: dict) -> Any:
    """The number, boolean or null that a text stands for where the schema wants one, else the text."""
    wanted = {key: schema[key] for key in ("type", "enum") if key in schema}
    try:
        value = json.loads(text.lower())
    except ValueError:
        return text
    fits = isinstance(value, (int, float, type(None))) and Draft202012Validator(wanted).is_valid(value)
    return value if wanted and fits else text


def _settle_pruning(given: dict[str, Any], filled: dict[str, Any]) -> None:
    # Only what is given counts as a wish: the default must not stand beside another target.
    wanted = given.get("prune")
    if isinstance(wanted, dict) and any(wanted.get(name) is not None for name in PRUNING_TARGETS[1:]):
        filled["prune"][PRUNING_TARGETS[0]] = wanted.get(PRUNING_TARGETS[0])


def _with_defaults(value: Any, schema: dict, root: dict) -> Any:
    schema = resolve(schema, root)
    if not isinstance(value, dict):
        return value
    known = schema.get("properties", {})
    for key, inner in known.items():
        target = resolve(inner, root)
        if key not in value and "default" in target:
            value[key] = copy.deepcopy(target["default"])
    others = schema.get("additionalProperties")
    for key in value:
        inner = known.get(key, others)
        if isinstance(inner, dict):
            value[key] = _with_defaults(value[key], inner, root)
    return value


def _explain(error: ValidationError) -> Iterator[str]:
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for key in sorted(set(error.instance) - set(known)):
            full = f"{where}.{key}" if where else key
            yield f"{full}: unknown key. {did_you_mean(key, known)} Allowed here: {', '.join(sorted(known))}."
    elif error.validator == "enum":
        allowed = [str(one) for one in error.validator_value]
        guess = did_you_mean(str(error.instance), allowed)
        yield f"{where}: '{error.instance}' is not allowed. {guess} Allowed: {', '.join(allowed)}."
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        yield f"{where or 'config'}: {', '.join(missing)} must be given."
    elif error.validator == "pattern":
        named = "propertyNames" in error.absolute_schema_path
        what = f"the name '{error.instance}'" if named else f"'{error.instance}'"
        yield f"{where}: {what} cannot be used. Allowed: {error.schema['allowed']}{_length(error)}."
    else:
        yield f"{where or 'config'}: {error.message}."


def _length(error: ValidationError) -> str:
    """How long the text is where its pattern wants another length: nobody counts 64 digits."""
    wanted = re.search(r"\{(\d+)\}\$$", error.validator_value)
    length = len(error.instance)
    return f"; this has {length}" if wanted and length != int(wanted[1]) else ""


def _places(config: dict[str, Any]) -> Iterator[str]:
    for name, source in config["sources"].items():
        given = [place for place in PLACES if place in source]
        rendered = source["adapter"] == "synthetic"
        if not given:
            yield f"sources.{name}: says no place. Allowed: one of {', '.join(PLACES)}."
        elif rendered != ("scenes" in given) or ("folder" in given and len(given) > 1):
            yield (
                f"sources.{name}: {' and '.join(given)} do not go together with adapter {source['adapter']}. "
                "Allowed: scenes for synthetic; else folder, or archive, upstream, or both of these."
            )


def _mappings(given: dict[str, Any]) -> Iterator[str]:
    for name, source in given["sources"].items():
        if source["adapter"] != "folder" and "classes" not in source:
            yield (
                f"sources.{name}.classes: must be given, or every box is dropped and its picture trained "
                "as background. Write {CLASS OF THE SOURCE: CLASS OF THE DETECTOR}, or {} for no class."
            )


def _folds(config: dict[str, Any]) -> Iterator[str]:
    folds = {source.get("fold") for source in config["sources"].values()}
    for one, other in (("training", "validation"), ("validation", "training")):
        if folds == {one}:
            yield (
                f"sources: every source has fold {one}, so that no picture is left for {other}. "
                f"Give one of them fold {other}, or leave fold out: then the pictures are dealt to both."
            )


def _braces(config: dict[str, Any]) -> Iterator[str]:
    """Files that the rules name as inputs, in which Snakemake takes ``{word}`` for a wildcard."""
    inputs = {
        "split.keep": config["split"]["keep"],
        "corrections": config["corrections"],
        "audit.model": config["audit"]["model"],
        "pretrained.file": (config["pretrained"] or {}).get("file"),
        **{f"infer.{name}": path for name, path in config["infer"].items()},
        **{
            f"sources.{name}.upstream.files": source["upstream"]["files"]
            for name, source in config["sources"].items()
            if "upstream" in source
        },
    }
    for where, path in inputs.items():
        if path and set(path) & set("{}"):
            yield f"{where}: '{path}' holds a brace, which Snakemake takes for a wildcard. Rename the file."


def _pruning(config: dict[str, Any]) -> Iterator[str]:
    wanted = config["prune"]
    given = [name for name in PRUNING_TARGETS if wanted[name] is not None]
    if len(given) != 1:
        yield (
            f"prune: {' and '.join(given) or 'none'} of ratio, threshold and budget are given. "
            "Allowed: exactly one; set the others to null."
        )
    if wanted["budget"] == {}:
        yield "prune.budget: has no limit. Allowed: one or more of parameters, gflop, milliseconds."


def _export(config: dict[str, Any]) -> Iterator[str]:
    wanted = config["export"]
    if wanted["channel_order"] != "RGB" and wanted["preprocess"] != "embedded":
        yield (
            f"export.channel_order: {wanted['channel_order']} with preprocess {wanted['preprocess']}. "
            "Allowed: RGB, in which networks are trained; preprocess: embedded folds another order in."
        )


def _ablation(config: dict[str, Any]) -> Iterator[str]:
    for name, change in (config["ablation"] or {"changes": {}})["changes"].items():
        where = f"ablation.changes.{name}"
        if not (change["fields"] or change["sources"]):
            yield f"{where}: changes nothing. Allowed: fields, sources or both, with one entry at least."
        for source in change["sources"]:
            if source not in config["sources"]:
                guess = did_you_mean(source, config["sources"])
                known = ", ".join(sorted(config["sources"]))
                yield f"{where}.sources: there is no source '{source}'. {guess} Allowed: {known}."
            elif not config["sources"][source]["train"]:
                yield f"{where}.sources: '{source}' has train: false, and is never trained on."


def _pretrained(config: dict[str, Any]) -> Iterator[str]:
    given = config["pretrained"]
    if given is None:
        return
    if ("file" in given) == ("url" in given):
        yield "pretrained: needs either file or url. Allowed: one of them."
    elif "url" in given and "sha256" not in given:
        yield "pretrained.sha256: must be given with url."
    elif Path(name := pretrained_name(given)).suffix.lower() not in WEIGHTS:
        yield (
            f"pretrained: '{name}' is no weights file that can be read. Allowed: {', '.join(WEIGHTS)}. "
            "A .tlt or .etlt is encrypted: take the .hdf5 of TAO 5 or of NGC."
        )
