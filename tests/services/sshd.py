"""A real OpenSSH server on loopback, with a host key, a user's key and a port of its own."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from servers import free_port, program, running

from detectnet.deploy.hosts import Host

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
Subsystem sftp internal-sftp
SetEnv {environment}
"""


class Server:
    """Keys and settings of a server, which can be started again with another environment.

    ``home`` is the folder on the "device", ``host`` how it is reached.
    """

    def __init__(self, folder: Path) -> None:
        self.program = program("sshd", "openssh-server")
        self.folder, self.home = folder, folder / "device"
        for name in ("host_key", "user_key", "other_key"):
            make_key(folder / name)
        self.port = free_port()
        self.known_hosts = folder / "known_hosts"
        self.know("host_key")
        self.host = Host(
            "127.0.0.1",
            self.port,
            getpass.getuser(),
            folder / "user_key",
            self.known_hosts,
            str(self.home),
        )

    def know(self, name: str) -> None:
        """Write this key into the file of known hosts."""
        kind, key = (self.folder / f"{name}.pub").read_text().split()[:2]
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    @contextmanager
    def running(self, *, programs: Path | None = None, **environment: str):
        """Start it; commands find the programs of a folder first, then this Python, and these variables."""
        places = [programs, Path(sys.executable).parent, "/usr/bin", "/bin"]
        environment["PATH"] = ":".join(str(one) for one in places if one)
        # The user's own shell settings must not come before.
        environment["HOME"] = str(self.folder)
        listed = " ".join(f'"{name}={value}"' for name, value in environment.items())
        settings = self.folder / "sshd_config"
        settings.write_text(CONFIG.format(port=self.port, folder=self.folder, environment=listed))
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        words = [self.program, "-D", "-e", "-f", str(settings)]
        with running(words, self.port, self.folder / "sshd.log") as process:
            yield process


def make_key(path: Path, passphrase: str = "") -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True)
