"""Write config/README.md from config/schema.yaml, so that the two cannot differ."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from detectnet.config import resolve
from detectnet.files import write_text
from detectnet.logs import parser, run

HEAD = """# Configuration

`config.yaml` is the embedded demo, `plates.yaml` the real run (`snakemake --configfile config/plates.yaml`).
A single value can be given on the command line: `snakemake --config run=second prune='{ratio: 0.3}'`. Unknown
keys are refused. Further `--configfile` files are merged over the ones before them.

Commands are typed inside the environment, or with `uv run --frozen` before them.

All runs in a clone share `data/`: two that need another input size or other entries of the same sources take
turns in making `data/resized/` and `data/kitti/`, so give each a clone.

The spec files that `specs` names are TLT's own; `python scripts/check_spec.py FILE` explains one. Paths
inside them are replaced by those of the workflow. `*` stands for a name of your choice. This page is
written by `python scripts/describe_config.py` from `schema.yaml`.

| key | type | default | meaning |
|---|---|---|---|
"""


def arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--schema", type=Path, default=Path("config/schema.yaml"), help="the schema")
    made.add_argument("--out", type=Path, default=Path("config/README.md"), help="the page")
    return made


def rows(schema: dict, root: dict, prefix: str = "") -> Iterator[str]:
    for name, given in schema.get("properties", {}).items():
        inner = resolve(given, root)
        required = "required" if name in schema.get("required", []) else ""
        default = f"`{json.dumps(inner['default'])}`" if "default" in inner else required
        yield f"| `{prefix}{name}` | {_type(inner)} | {default} | {inner.get('description', '')} |"
        yield from rows(inner, root, f"{prefix}{name}.")
        named = inner.get("additionalProperties")
        if isinstance(named, dict):
            yield from rows(resolve(named, root), root, f"{prefix}{name}.*.")


def _type(schema: dict) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{one}`" for one in schema["enum"])
    kind = schema.get("type", "")
    items = f" of {_type(schema['items'])}" if "items" in schema else ""
    return (" or ".join(kind) if isinstance(kind, list) else kind) + items


def main(args: argparse.Namespace) -> None:
    schema = yaml.safe_load(args.schema.read_text(encoding="utf-8"))
    write_text(args.out, HEAD + "\n".join(rows(schema, schema)) + "\n")


if __name__ == "__main__":
    run(main, arguments().parse_args())
