"""A real Slurm on this host: munged, slurmctld and three slurmd, without systemd or cgroups."""

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from servers import HOST, free_port, program, running

CONFIG = Path("/etc/slurm/slurm.conf")
"""Where the executor plugin's inner `srun` looks: it drops SLURM_CONF from the environment."""
GRES = CONFIG.with_name("gres.conf")
NODES = ("n1", "n2", "n3")
CORES = 4
MEMORY_MB = 24000
KEY = Path("/etc/munge/munge.key")


class Cluster:
    """A running cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen] = {}

    def idle(self) -> int:
        """Nodes that are ready for jobs."""
        said = subprocess.run(["sinfo", "-h", "-N", "-o", "%T"], capture_output=True, text=True, check=False)
        return said.stdout.split().count("idle")

    def jobs(self) -> list[list[str]]:
        """Number, state and comment of the jobs in the queue."""
        words = ["squeue", "-h", "-o", "%i|%T|%k"]
        said = subprocess.run(words, capture_output=True, text=True, check=True)
        return [line.split("|") for line in said.stdout.splitlines()]

    def control(self, *words: str) -> None:
        subprocess.run(["scontrol", *words], check=True, capture_output=True)


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Cluster]:
    """Start everything, wait until all nodes are idle, and take everything down again."""
    needed = ("munged", "slurmctld", "slurmd", "sbatch")
    programs = {name: program(name, "slurm-wlm, munge") for name in needed}
    if os.geteuid() != 0:
        pytest.skip("a cluster can only be started by root")
    if CONFIG.exists():
        pytest.fail(f"{CONFIG} is there already: the test would replace this machine's own cluster")
    folder.mkdir(parents=True)
    cluster = Cluster(folder)
    with ExitStack() as stack:
        if not Path("/run/munge/munge.socket.2").exists():
            stack.enter_context(munge(programs["munged"], folder))
        port = free_port()
        # A left-over configuration makes every call of snakemake ten seconds slower.
        stack.callback(lambda: [path.unlink(missing_ok=True) for path in (CONFIG, GRES)])
        configure(folder, port)
        controller = [programs["slurmctld"], "-D", "-i", "-f", str(CONFIG)]
        cluster.daemons["slurmctld"] = stack.enter_context(
            running(controller, port, folder / "slurmctld.out")
        )
        for node in NODES:
            words = [programs["slurmd"], "-D", "-N", node, "-f", str(CONFIG)]
            port = port_of(node)
            cluster.daemons[node] = stack.enter_context(running(words, port, folder / f"{node}.out"))
        until = time.monotonic() + 60
        while cluster.idle() < len(NODES):
            assert time.monotonic() < until, (folder / "slurmctld.out").read_text()[-2000:]
            time.sleep(0.2)
        yield cluster
        subprocess.run(["scancel", "--user", "root"], check=False, capture_output=True)


@contextmanager
def munge(server: str, folder: Path) -> Iterator[None]:
    """Munge's daemon under its own user, with its usual socket."""
    owner = pwd.getpwnam("munge")
    for place in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
        Path(place).mkdir(mode=0o755, parents=True, exist_ok=True)
        os.chown(place, owner.pw_uid, owner.pw_gid)
    if not KEY.exists():
        KEY.parent.mkdir(mode=0o700, exist_ok=True)
        KEY.write_bytes(os.urandom(1024))
        KEY.chmod(0o400)
        os.chown(KEY, owner.pw_uid, owner.pw_gid)
        os.chown(KEY.parent, owner.pw_uid, owner.pw_gid)
    with (folder / "munged.out").open("wb") as log:
        process = subprocess.Popen(
            [server, "--foreground"], user=owner.pw_uid, group=owner.pw_gid, stdout=log, stderr=log
        )
    until = time.monotonic() + 30
    while not Path("/run/munge/munge.socket.2").exists():
        assert process.poll() is None and time.monotonic() < until, (folder / "munged.out").read_text()
        time.sleep(0.05)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


_PORTS: dict[str, int] = {}


def port_of(node: str) -> int:
    return _PORTS.setdefault(node, free_port())


def configure(folder: Path, port: int) -> None:
    """Write slurm.conf: no cgroups, no accounting, quick to notice a dead node."""
    host = socket.gethostname().split(".")[0]
    for name in ("state", *NODES):
        (folder / name).mkdir()
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr={HOST} Port={port_of(node)} CPUs={CORES}"
        f" RealMemory={MEMORY_MB}" + (" Gres=gpu:1" if node == "n3" else "")
        for node in NODES
    )
    CONFIG.parent.mkdir(exist_ok=True)
    GRES.write_text("NodeName=n3 Name=gpu File=/dev/null\n")
    CONFIG.write_text(
        f"""ClusterName=test
SlurmctldHost={host}({HOST})
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/%n.pid
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=1,batch_sched_delay=0
GresTypes=gpu
MinJobAge=300
ReturnToService=2
SlurmdTimeout=10
KillWait=2
{nodes}
PartitionName=main Nodes={",".join(NODES)} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=n3 MaxTime=INFINITE State=UP
"""
    )
