"""The machine that an engine is for: over SSH with the system's own ``ssh`` and ``scp``, or this one.

Nothing is asked: the host's key must be known, and a key or an agent opens the door. Files are compared by
sha256 before and after they are copied, so that a copy that was cut off is made again, and only that one.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import atomic_path, sha256
from detectnet.logs import log, positive

FOLDER = "detectnet-nano"
_GO_ON = "Give the same command again: it goes on where it stopped."
_ROOM = 64 << 20
"""Bytes that are left free beside what is copied: the engine, its cache and what it answers."""


@dataclass(frozen=True)
class Host:
    """Where an engine is built and runs.

    Attributes:
        host: name or address, or a ``Host`` of the user's SSH config; None is this machine.
        port, user, key_file: of the connection; None leaves it to the user's SSH config.
        known_hosts: file with the host's key; None takes the user's own.
        folder: for the bundle and the engines, relative to the home folder; letters, digits and ``_./-``.
    """

    host: str | None = None
    port: int | None = None
    user: str | None = None
    key_file: Path | None = None
    known_hosts: Path | None = None
    folder: str = FOLDER

    def run(self, command: str, say: Callable[[str], None] = log.debug) -> tuple[int, list[str]]:
        """Run a shell's command in the folder, which is made where it is missing.

        Args:
            command: for ``sh``.
            say: takes every line of output while it comes.

        Returns:
            exit status and lines of output and errors; 128 + N of a process that signal N ended.

        Raises:
            UserError: there is no connection, or it is lost.
        """
        folder = shlex.quote(self.folder)
        # Through the exit the shell outlives a killed process and tells of it; alone it would be replaced.
        words = f"mkdir -p {folder} && cd {folder} && {{ {command}; }}; exit $?"
        if self.host is None:
            return _run(["sh", "-c", words], say, cwd=Path.home())
        code, lines = _run(["ssh", *self._options("-p"), self._destination(), words], say)
        if code == 255:
            raise self._refused(lines)
        return code, lines

    def send(self, files: Sequence[Path]) -> None:
        """Copy files into the folder, under their own names; what is there already is left.

        Raises:
            UserError: the connection is lost, the disk is full, or a copy is not like its original.
        """
        wanted = {path.name: sha256(path) for path in files}
        there, free = self._there(list(wanted))
        missing = [path for path in files if there.get(path.name) != wanted[path.name]]
        if not missing:
            return
        needed = sum(path.stat().st_size for path in missing)
        if needed + _ROOM > free:
            raise self._full(f"{needed / 1e6:.0f} MB are to be copied, and {free / 1e6:.0f} MB are free")
        log.info("copying %d files, %.1f MB, to %s", len(missing), needed / 1e6, self.name)
        self._copy(missing, f"{self._destination(brackets=True)}:{self.folder}/", Path.home() / self.folder)
        there, _ = self._there(list(wanted))
        for name, digest in wanted.items():
            if there.get(name) != digest:
                raise UserError(f"{name} did not arrive whole", where=self.name, remedy=_GO_ON)

    def fetch(self, name: str, target: Path, digest: str) -> None:
        """Copy a file of the folder here, unless it is here already.

        Args:
            name: its name in the folder.
            target: its path here.
            digest: its sha256.

        Raises:
            UserError: the connection is lost, or the copy is not like the original.
        """
        if target.is_file() and sha256(target) == digest:
            return
        with atomic_path(target) as temporary:
            source = f"{self._destination(brackets=True)}:{self.folder}/{name}"
            self._copy([source if self.host else Path.home() / self.folder / name], temporary, temporary)
            if sha256(temporary) != digest:
                raise UserError(f"{name} did not arrive whole", where=self.name, remedy=_GO_ON)

    @property
    def name(self) -> str:
        """For sentences."""
        return self.host or "this machine"

    def _there(self, names: Sequence[str]) -> tuple[dict[str, str], int]:
        """sha256 of those files that are in the folder, and the free bytes of its disk."""
        listed = " ".join(map(shlex.quote, names))
        code, lines = self.run(f"df -Pk . && sha256sum -- {listed} 2>/dev/null; true")
        rows = [line.split() for line in lines]
        disks = [row for row in rows if len(row) >= 6 and row[3].isdigit()]
        if code or not disks:
            raise UserError(
                f"the folder cannot be made or used: {' '.join(lines) or 'no answer'}",
                where=f"{self.name}:{self.folder}",
                remedy="Choose another folder, or make room.",
            )
        return {row[1]: row[0] for row in rows if len(row) == 2}, 1024 * int(disks[-1][3])

    def _copy(self, sources: Sequence[Path | str], remote: Path | str, local: Path) -> None:
        """To ``remote`` by scp, where there is a host, or to ``local`` on this machine."""
        if self.host is None:
            for source in sources:
                shutil.copy(source, local)
            return
        # A plain name could be taken for another host's; an absolute path never is.
        named = [str(one.absolute()) if isinstance(one, Path) else one for one in sources]
        code, lines = _run(["scp", "-q", "-B", *self._options("-P"), *named, str(remote)], log.debug)
        if code:
            raise self._refused(lines)

    def _destination(self, brackets: bool = False) -> str:
        host = f"[{self.host}]" if brackets and ":" in (self.host or "") else self.host
        return f"{self.user}@{host}" if self.user else str(host)

    def _options(self, port: str) -> list[str]:
        if self.key_file and not self.key_file.is_file():
            raise UserError(
                "the key file does not exist", where=self.key_file, remedy="ssh-keygen makes one."
            )
        settings = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": "20",
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "4",
        }
        if self.known_hosts:
            settings["UserKnownHostsFile"] = str(self.known_hosts.absolute())
        if self.key_file:
            settings["IdentitiesOnly"] = "yes"
        return [
            *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")),
            *((port, str(self.port)) if self.port else ()),
            *(("-i", str(self.key_file)) if self.key_file else ()),
        ]

    def _refused(self, lines: Sequence[str]) -> UserError:
        """Why ssh or scp failed, by what it says."""
        text = "\n".join(lines)
        port = f"-p {self.port} " if self.port else ""
        for sign, what, remedy in _REFUSALS:
            if sign in text:
                remedy = remedy.format(port=port, destination=self._destination(), host=self.host)
                return UserError(what, where=self.name, remedy=remedy)
        said = lines[-1] if lines else "it said nothing"
        return UserError(f"the connection is lost ({said})", where=self.name, remedy=_GO_ON)

    def _full(self, how: str) -> UserError:
        return UserError(
            f"the disk is full: {how}",
            where=f"{self.name}:{self.folder}",
            remedy="Make room there (sudo apt-get clean, old engines), then give the command again.",
        )


_REFUSALS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host's key is another one than before: it was installed anew, or it is not the host",
        "Only if you know why: ssh-keygen -R {host}, then ssh {port}{destination} once, and compare the key.",
    ),
    (
        "Host key verification failed",
        "the host's key is unknown",
        "Type ssh {port}{destination} once, compare the key's fingerprint with the device's, and say yes.",
    ),
    (
        "Permission denied (",
        "the host refuses the key",
        "ssh-copy-id {port}{destination} puts your key there; passwords are never used. "
        "A key with a passphrase must be in the agent (ssh-add).",
    ),
    (
        "No space left on device",
        "the disk is full",
        "Make room there (sudo apt-get clean, old engines), then give the command again.",
    ),
    ("Could not resolve hostname", "no host has this name", "Mend engine's host, or give its address."),
    (
        "Connection refused",
        "the host takes no SSH connection at this port",
        "Start its SSH server (sudo systemctl start ssh), or mend the port.",
    ),
    ("timed out", "the host does not answer", "Is it on, and on the network? " + _GO_ON),
    ("No route to host", "the host cannot be reached", "Is it on, and on the network? " + _GO_ON),
)


def add_options(made: argparse.ArgumentParser) -> None:
    """Add what ``of_arguments`` reads to a script's parser."""
    made.add_argument("--host", help="name or address of the device, for SSH; without it this machine")
    made.add_argument("--port", type=positive, help="of SSH, where it is not 22")
    made.add_argument("--user", help="on the device")
    made.add_argument("--key-file", type=_path, help="private key; without it the agent's and your own")
    made.add_argument(
        "--known-hosts", type=_path, help="file with the device's key, where it is not your own"
    )
    made.add_argument("--folder", default=FOLDER, help="on the device, relative to the home folder")


def of_arguments(args: argparse.Namespace) -> Host:
    """The host that the options of ``add_options`` name."""
    return Host(args.host, args.port, args.user, args.key_file, args.known_hosts, args.folder)


def _path(text: str) -> Path:
    """A path of the config, where no shell has replaced the ``~``."""
    return Path(text).expanduser()


def _run(words: Sequence[str], say: Callable[[str], None], cwd: Path | None = None) -> tuple[int, list[str]]:
    """Exit status, and output and errors in the order they came."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise UserError(
            f"there is no program {words[0]}", remedy="Install OpenSSH: sudo apt-get install openssh-client"
        ) from error
    lines = []
    with process:
        for line in process.stdout:
            lines.append(line.rstrip("\r\n"))
            say(lines[-1])
    return process.returncode if process.returncode >= 0 else 128 - process.returncode, lines
