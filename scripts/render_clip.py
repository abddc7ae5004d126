"""Render a short film of passing cars, and the boxes of their plates beside it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from detectnet.errors import UserError
from detectnet.logs import parser, run
from detectnet.sources.synthetic.clip import render_clip


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(__doc__ or "")
    made.add_argument(
        "--settings", default="{}", help="a JSON object: seed, seconds, fps, width, height, layouts, ..."
    )
    made.add_argument(
        "--out", type=Path, required=True, help="the film, *.mp4; NAME.labels.csv is written beside it"
    )
    return made


def main(args: argparse.Namespace) -> None:
    """Render what the arguments say."""
    try:
        settings = json.loads(args.settings)
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON ({error})", where="--settings", allowed="a JSON object") from error
    render_clip(settings, args.out)


if __name__ == "__main__":
    run(main, arguments().parse_args())
