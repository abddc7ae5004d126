"""Files of one commit of a public git repository, and no others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

from detectnet.errors import UserError
from detectnet.logs import log


def fetch_upstream(git: str, commit: str, listed: list[str], folder: str, target: Path) -> None:
    """Copy the listed files of a commit into ``target``, which is created.

    Only that commit is asked for, and of its files only the listed ones where the server can leave the
    others out.

    Args:
        git: address of the repository.
        commit: full hash.
        listed: paths in the repository.
        folder: the folder of the repository that becomes ``target``; "" for the repository itself.

    Raises:
        UserError: git is missing or fails, or the commit lacks a listed file.
    """
    work = target.parent / f"{target.name}.git"
    shutil.rmtree(work, ignore_errors=True)
    tree = work / "tree"
    tree.mkdir(parents=True)
    try:
        repository = _Git(work / "repository", tree)
        repository.get(git, commit)
        repository.check(git, commit, listed)
        repository.checkout(commit, listed)
        for path in listed:
            place = target / PurePosixPath(path).relative_to(_start(path, folder))
            place.parent.mkdir(parents=True, exist_ok=True)
            (tree / path).rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def read_list(path: Path) -> list[str]:
    """The paths that a list names, one a line; blank lines and lines that begin with "# " are skipped."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"the list of files cannot be read ({error.strerror})", where=path) from error
    names = [line for line in lines if line.strip() and not line.startswith("# ")]
    for name in names:
        if PurePosixPath(name).is_absolute() or {"..", ".git"} & set(PurePosixPath(name).parts):
            raise UserError(f"'{name}' is no path inside a repository", where=path)
    if not names:
        raise UserError("the list of files is empty", where=path)
    return list(dict.fromkeys(names))


def _start(path: str, folder: str) -> PurePosixPath:
    """The part of a path that is not kept: ``folder`` where the file lies in it (a licence may not)."""
    inside = folder and PurePosixPath(path).is_relative_to(folder)
    return PurePosixPath(folder) if inside else PurePosixPath()


class _Git:
    """A bare-bones repository whose files are laid out in ``tree``."""

    def __init__(self, repository: Path, tree: Path) -> None:
        self.options = [
            "git",
            "--literal-pathspecs",  # names hold # = * [ ]
            f"--git-dir={repository}",
            f"--work-tree={tree}",
            "-c",
            "core.symlinks=false",
            "-c",
            "core.autocrlf=false",
            "-c",
            "core.hooksPath=/dev/null",
        ]
        # On a terminal git shows its own progress, and its messages are on the screen already.
        self.shown = sys.stderr.isatty()
        self.loudness = ["--progress"] if self.shown else ["--quiet"]
        self.address = ""
        self._run("init", "--quiet")

    def get(self, git: str, commit: str) -> None:
        """Fetch one commit; a server that gives no single commits is asked for everything it has."""
        self.address = git
        self._run("remote", "add", "origin", git)
        log.info("fetching commit %s of %s", commit[:10], git)
        some = ("fetch", "--no-tags", "--filter=blob:none", *self.loudness, "origin")
        if self._try(*some, "--depth=1", commit).returncode:
            self._run(*some, "+refs/heads/*:refs/remotes/origin/*")

    def check(self, git: str, commit: str, listed: list[str]) -> None:
        there = self._try("ls-tree", "-r", "-z", commit)
        if there.returncode:
            raise UserError(f"the repository has no commit {commit}", where=git)
        entries = dict(reversed(entry.split("\t", 1)) for entry in there.stdout.split("\0") if entry)
        missing = [path for path in listed if not entries.get(path, "").startswith("100")]
        if missing:
            raise UserError(
                f"{len(missing)} of {len(listed)} listed files are no files of commit {commit}, "
                f"the first is '{missing[0]}'",
                where=git,
            )

    def checkout(self, commit: str, listed: list[str]) -> None:
        self._run(
            "checkout",
            *self.loudness,
            commit,
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
            given="\0".join(listed),
        )

    def _run(self, *arguments: str, given: str = "") -> None:
        done = self._try(*arguments, given=given)
        if done.returncode:
            command, said = " ".join(arguments), _complaint(done.stderr)
            raise UserError(
                f"'git {command}' failed with exit code {done.returncode}: {said}",
                where=self.address,
                remedy="Try again when the network is there, or mend upstream.git, or get the source's "
                "archive and name its folder as mirror.",
            )

    def _try(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        silent = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
        try:
            return subprocess.run(
                [*self.options, *arguments],
                input=given,
                env=silent,
                stdout=subprocess.PIPE,
                stderr=None if self.shown else subprocess.PIPE,
                encoding="utf-8",
                errors="surrogateescape",
                check=False,
            )
        except FileNotFoundError as error:
            raise UserError("git is not installed", remedy="Install git, or give an archive.") from error


def _complaint(stderr: str | None) -> str:
    """What git says is wrong: its last lines are often only advice on what it may be."""
    lines = (stderr or "").strip().splitlines()
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return " ".join(fatal or lines[-1:]) or "git's own words stand above"
