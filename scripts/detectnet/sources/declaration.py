"""The entry of one source in the config, for scripts that run by hand or from a rule."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import yaml

from detectnet.errors import UserError, did_you_mean

FETCHED = ("folder", "archive", "upstream")
PLACES = (*FETCHED, "scenes")
"""Where a source may come from: the keys of its declaration, those that are fetched and the rendered one."""
NOTE = "source.json"
"""Beside the raw files of a source: where they are from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--source`` and the two ways to declare it."""
    parser.add_argument("--source", required=True, help="name of the source")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--declaration", help="the source's entry in the config, as JSON")
    given.add_argument("--config", type=Path, help="config file whose sources.NAME is meant")


def declared(arguments: argparse.Namespace) -> dict:
    """The declaration that the arguments give; a UserError says what is wrong with it."""
    if arguments.config:
        return _from_config(arguments.config, arguments.source)
    try:
        declaration = json.loads(arguments.declaration)
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON ({error})", where="--declaration") from error
    if not isinstance(declaration, dict) or "adapter" not in declaration:
        raise UserError("the declaration names no adapter", where="--declaration")
    return declaration


def _from_config(path: Path, source: str) -> dict:
    try:
        sources = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("sources", {})
    except OSError as error:
        raise UserError(f"the config cannot be read ({error.strerror})", where=path) from error
    except yaml.YAMLError as error:
        raise UserError(f"not valid YAML ({error})", where=path) from error
    if source not in sources:
        raise UserError(
            f"no source '{source}'",
            where=f"{path} sources",
            allowed=sorted(sources),
            remedy=did_you_mean(source, sources) or None,
        )
    return sources[source]
