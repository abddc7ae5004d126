"""The workflow's config: a closed schema, defaults filled in, every problem named at once."""

from __future__ import annotations

import copy
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from detectnet.errors import UserError, did_you_mean
from detectnet.files import PathLike
from detectnet.sources.declaration import PLACES
from detectnet.spec import contract_of

_MESSAGE_OF = {"classes": "cost_function_config"}
WEIGHTS = (".hdf5", ".h5", ".keras")


def complete(config: dict[str, Any], schema_path: PathLike) -> dict[str, Any]:
    """The config with defaults filled in.

    Args:
        config: the parsed config, as Snakemake merged it.
        schema_path: JSON schema (draft 2020-12) written as YAML.

    Raises:
        UserError: lists every unknown key (with the nearest valid one), wrong type and value.
    """
    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    given = _with_text_keys(config)
    filled = _with_defaults(copy.deepcopy(given), schema, schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(filled), key=lambda error: list(error.path))
    problems = [line for error in errors for line in _explain(error)] or [
        *_places(filled),
        *_mappings(given),
        *_pruning(filled),
        *_pretrained(filled),
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
    """Raise UserError where the specs of training and retraining are not of one network.

    Args:
        specs: messages of the experiment specs ``train`` and ``retrain``.
    """
    first, second = (contract_of(specs[name]) for name in ("train", "retrain"))
    for name in ("width", "height", "channels", "classes"):
        before, after = getattr(first, name), getattr(second, name)
        if before != after:
            raise UserError(
                f"{name} is {after} when retraining and {before} in the first training",
                where=specs["retrain"].where(_MESSAGE_OF.get(name, "augmentation_config")),
                remedy="A pruned network keeps its input and classes: make the two specs agree.",
            )


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
    elif error.validator == "propertyNames":
        yield f"{where}: the name '{error.instance}' may hold letters, digits, _ and - only."
    else:
        yield f"{where or 'config'}: {error.message}."


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


def _pruning(config: dict[str, Any]) -> Iterator[str]:
    if config["prune"]["ratio"] is None and config["prune"]["threshold"] is None:
        yield "prune: ratio and threshold are both null. Allowed: one of them."


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
