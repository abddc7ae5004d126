"""Render a source of synthetic scenes: pictures and KITTI labels."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from detectnet.errors import UserError
from detectnet.logs import log, parser, positive, run
from detectnet.sources.synthetic.render import render_source


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__ or "")
    made.add_argument("--source", required=True, help="name of the source, for messages")
    made.add_argument(
        "--settings", default="{}", help="a JSON object: count, seed, plate_width, layouts, ..."
    )
    made.add_argument("--out", type=Path, required=True, help="folder for images/, labels/ and source.json")
    made.add_argument("--workers", type=positive, default=1, help="processes")
    return made


def main(args: argparse.Namespace) -> None:
    """Render what the arguments say."""
    try:
        settings = json.loads(args.settings)
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON ({error})", where="--settings", allowed="a JSON object") from error
    log.info("rendering the source '%s'", args.source)
    render_source(settings, args.out, args.workers)


if __name__ == "__main__":
    run(main, arguments().parse_args())
