"""Which library files a script uses: Snakemake does not look behind imports, so the rules list them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

# They speak to the user and change no result: a reworded message must not train a network again.
SPEAKING = {"errors.py", "logs.py"}


@cache
def files_used(script: Path) -> tuple[str, ...]:
    """The script and every module of ``detectnet`` that it imports, directly or not, sorted.

    Imports are read from the source, inside functions too; nothing is executed. Templates beside
    a module that renders them (``templates/*``) count as part of it.

    Args:
        script: a file in ``scripts/``; the package ``detectnet`` lies beside it.
    """
    root = script.parent
    seen: set[Path] = set()
    left = [script]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        left.extend(_imported(path, root))
    templates = {one for path in seen for one in path.parent.glob("templates/*") if path != script}
    return tuple(sorted(str(path) for path in seen | templates if path.name not in SPEAKING))


def _imported(path: Path, root: Path) -> list[Path]:
    found: list[Path] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "detectnet":
                found.extend(_files_of(name, root))
    return found


def _files_of(name: str, root: Path) -> list[Path]:
    # Importing a.b.c runs a/__init__.py and a/b/__init__.py first.
    parts = name.split(".")
    packages = [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    module = root.joinpath(*parts).with_suffix(".py")
    return [path for path in (*packages, module) if path.is_file()]
