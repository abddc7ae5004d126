"""The lineage of a run: which job made which file from which, with the hash of every file.

Snakemake remembers this in ``.snakemake/``, which stays in the clone where the run was made. The lineage is
one small file beside the results, kept in git. With it another clone that got the results from DVC knows that
they need not be made again, and which of them no longer belong to what lies beside them.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from detectnet.errors import UserError
from detectnet.files import PathLike, read_json, sha256, write_json
from detectnet.logs import log
from detectnet.versioning.records import Job, Records

Hashes = Callable[[str], str | None]

VERSION = 1
_STEP = 1_000_000
"""Nanoseconds between the times of a file and of what is made from it."""


@dataclass(frozen=True)
class Stale:
    """Outputs of a job that do not belong to what lies in the working directory.

    Attributes:
        job: the job.
        changed: files that are not what they were when it ran: inputs, or its own outputs.
    """

    job: Job
    changed: tuple[str, ...]


def save_lineage(path: PathLike, run: str, records: Records | None = None) -> int:
    """Write the lineage of a finished run.

    Args:
        path: the file to write.
        run: name of the run: its results, and all that they were made from, are what is written.
        records: of the working directory.

    Returns:
        the number of jobs.

    Raises:
        UserError: nothing of the run was made here; or a file is not what it was when a job used it.
    """
    jobs = _behind(f"results/{run}/", (records or Records()).jobs())
    if not jobs:
        raise UserError(f"there are no records of the run '{run}' here", remedy="Run snakemake first.")
    hashes = _hasher()
    for job in jobs:
        if changed := _changed(job, job.checksums, hashes):
            raise UserError(
                f"{changed[0]} was changed after {job.outputs[0]} was made from it",
                remedy="Run snakemake until it says that nothing is to be done; then give the command again.",
            )
    files = {path: digest for job in jobs for path, digest in job.checksums.items()}
    files |= {output: hashes(output) for job in jobs for output in job.outputs}
    write_json(path, {"version": VERSION, "run": run, "files": files, "jobs": [_plain(job) for job in jobs]})
    return len(jobs)


def restore_lineage(path: PathLike, records: Records | None = None) -> list[Stale]:
    """Let Snakemake know how the files that lie here were made, as far as they are those of the lineage.

    Files that are missing are left out: nothing below them is made again for that. A file that is not the
    lineage's own, and what was made from one that has changed since, is dated before all that it was made
    from, so that Snakemake makes it again.

    Args:
        path: what ``save_lineage`` wrote.
        records: of the working directory.

    Returns:
        what has to be made again.

    Raises:
        UserError: the file is damaged or of another version.
    """
    jobs, files = _read(path)
    kept, hashes, stale, found = records or Records(), _hasher(), [], 0
    now = time.time_ns()
    for number, job in enumerate(_in_order(jobs)):
        there = dataclasses.replace(job, outputs=tuple(one for one in job.outputs if Path(one).is_file()))
        if not there.outputs:
            continue
        found += 1
        if others := _changed(there, {one: files[one] for one in there.outputs}, hashes):
            kept.remove(there)
        else:
            kept.write(there)
        if changed := (*others, *_changed(there, job.checksums, hashes)):
            stale.append(Stale(there, changed))
        _date(there.outputs, _before(job.inputs) if changed else now + number * _STEP)
    log.info(
        "of %d jobs the files of %d are here; those of %d have to be made again",
        len(jobs),
        found,
        len(stale),
    )
    return stale


def _behind(prefix: str, jobs: Iterable[Job]) -> list[Job]:
    """The jobs that made files with this prefix, and those behind their inputs."""
    maker = {output: job for job in jobs for output in job.outputs}
    wanted = [job for output, job in maker.items() if output.startswith(prefix)]
    found: dict[str, Job] = {}
    while wanted:
        job = wanted.pop()
        if job.outputs[0] not in found:
            found[job.outputs[0]] = job
            wanted.extend(maker[path] for path in job.inputs if path in maker)
    return [found[name] for name in sorted(found)]


def _in_order(jobs: Iterable[Job]) -> Iterator[Job]:
    """Every job after those whose outputs it reads."""
    jobs = list(jobs)
    maker = {output: number for number, job in enumerate(jobs) for output in job.outputs}
    graph = {number: {maker[path] for path in job.inputs if path in maker} for number, job in enumerate(jobs)}
    return (jobs[number] for number in TopologicalSorter(graph).static_order())


def _changed(job: Job, wanted: Mapping[str, str], hashes: Hashes) -> tuple[str, ...]:
    """Those of the wanted files that are there and have another hash, sorted."""
    return tuple(sorted(path for path, digest in wanted.items() if hashes(path) not in (digest, None)))


def _hasher() -> Hashes:
    """sha256 of a file, None where there is none; each is read once."""
    return cache(lambda path: sha256(path) if Path(path).is_file() else None)


def _before(inputs: Iterable[str]) -> int:
    """A time, in nanoseconds, at which none of these files was there yet."""
    return min((Path(one).stat().st_mtime_ns for one in inputs if Path(one).is_file()), default=0) - 10**9


def _date(paths: Iterable[str], nanoseconds: int) -> None:
    for path in paths:
        os.utime(path, ns=(nanoseconds, nanoseconds))


def _plain(job: Job) -> dict:
    """The job without the hashes, which are written once for all jobs."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(job).items()}
    del plain["checksums"]
    return plain


def _read(path: PathLike) -> tuple[list[Job], dict[str, str]]:
    content = read_json(path)
    try:
        if content["version"] != VERSION:
            raise UserError(f"lineage of version {content['version']}", where=path, allowed=VERSION)
        files = content["files"]
        return [_from_plain(one, files) for one in content["jobs"]], files
    except (KeyError, TypeError) as error:
        raise UserError(
            f"not a lineage: {error!r}", where=path, remedy="Take it from git again (git checkout)."
        ) from error


def _from_plain(plain: dict, files: Mapping[str, str]) -> Job:
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
    checksums = {path: files[path] for path in plain["inputs"] if path in files}
    if missing := [path for path in plain["outputs"] if path not in files]:
        raise KeyError(missing[0])
    return Job(**lists, checksums=checksums)
