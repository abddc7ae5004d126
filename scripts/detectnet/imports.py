"""Which library files a module uses: Snakemake does not look behind imports, so the rules list them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

# They speak to the user and change no result: a reworded message must not train a network again.
SPEAKING = {"errors.py", "logs.py"}
# A module that renders files names their folder, or jinja2's loader whose default that folder is.
_RENDERING = (b"templates", b"TEMPLATES", b"PackageLoader")


@cache
def files_used(start: Path) -> tuple[str, ...]:
    """A file and every module of ``detectnet`` that it imports, directly or not, sorted.

    Imports are read from the source, inside functions too; nothing is executed. The files in
    ``templates/`` beside a module that renders them count as part of it.

    Args:
        start: a file in ``scripts/``, where the package ``detectnet`` lies, or a module of the package.
    """
    root = package_root(start)
    seen: set[Path] = set()
    left = [start, *(one / "__init__.py" for one in start.parents if root in one.parents)]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        left.extend(_imported(path, root))
    templates = {one for path in seen for one in _templates(path)}
    return tuple(sorted(str(path) for path in seen | templates if path.name not in SPEAKING))


def package_root(path: Path) -> Path:
    """The folder above a script or module in which the package ``detectnet`` lies."""
    return next(one for one in path.parents if (one / "detectnet" / "__init__.py").is_file())


@cache
def _templates(path: Path) -> tuple[Path, ...]:
    content = path.read_bytes()
    renders = any(word in content for word in _RENDERING)
    return tuple(path.parent.glob("templates/*")) if renders else ()


@cache
def _imported(path: Path, root: Path) -> tuple[Path, ...]:
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
    return tuple(dict.fromkeys(found))


def _files_of(name: str, root: Path) -> list[Path]:
    # Importing a.b.c runs a/__init__.py and a/b/__init__.py first.
    parts = name.split(".")
    packages = [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    module = root.joinpath(*parts).with_suffix(".py")
    return [path for path in (*packages, module) if path.is_file()]
