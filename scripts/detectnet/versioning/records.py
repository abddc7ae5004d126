"""Snakemake's own records of how files were made, read and written through its persistence layer."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord
from snakemake.persistence.file import FilePersistence

ALGORITHM = "sha256:"


@dataclass(frozen=True)
class Job:
    """One job that made files.

    Attributes:
        rule: its name.
        outputs: the files that it made, sorted.
        inputs: the files that it was given, sorted.
        params: its recorded parameters, as Snakemake writes them, sorted.
        code: the text of its shell command, before values were filled in.
        log: its log files.
        environment: Snakemake's hash of the software environment.
        checksums: sha256 of its inputs, as they were.
    """

    rule: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    params: tuple[str, ...]
    code: str
    log: tuple[str, ...]
    environment: str
    checksums: dict[str, str]


class Records:
    """The records in a working directory's ``.snakemake``."""

    def __init__(self, folder: Path = Path(".snakemake")) -> None:
        # The lock belongs to runs; records are only touched between them.
        self._kept = FilePersistence(nolock=True, path=folder)
        self._metadata = folder / "metadata"

    def jobs(self) -> list[Job]:
        """Every finished job whose outputs are all there, by first output."""
        made: dict[tuple, list[str]] = {}
        for output in sorted(self._outputs()):
            record = self._kept._read_record(output)
            if record is None or record.incomplete or not Path(output).is_file():
                continue
            made.setdefault(_identity(record), []).append(output)
        return sorted((_job(identity, outputs) for identity, outputs in made.items()), key=_by_output)

    def write(self, job: Job) -> None:
        """Record the job for each of its outputs."""
        record = MetadataRecord(
            rule=job.rule,
            input=list(job.inputs),
            params=list(job.params),
            code=job.code,
            log=list(job.log),
            software_stack_hash=job.environment,
            record_format_version=RECORD_FORMAT_VERSION,
            input_checksums={path: ALGORITHM + digest for path, digest in job.checksums.items()},
            incomplete=False,
        )
        for output in job.outputs:
            self._kept._write_record(output, record)

    def remove(self, job: Job) -> None:
        """Forget how the job's outputs were made."""
        for output in job.outputs:
            self._kept._delete_record(output)

    def _outputs(self) -> Iterator[str]:
        for path in self._metadata.rglob("*"):
            if path.is_file():
                # A long name is split into folders whose names begin with "@".
                parts = path.relative_to(self._metadata).parts
                yield urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()


def _identity(record: MetadataRecord) -> tuple:
    """What the records of one job's outputs have in common, and no other job has."""
    return (
        record.rule or "",
        tuple(sorted(record.input or ())),
        tuple(sorted(record.params or ())),
        record.code or "",
        tuple(sorted(record.log or ())),
        record.software_stack_hash or "",
        tuple(
            sorted(
                (path, str(sum_).removeprefix(ALGORITHM))
                for path, sum_ in (record.input_checksums or {}).items()
            )
        ),
    )


def _job(identity: tuple, outputs: list[str]) -> Job:
    rule, inputs, params, code, log, environment, checksums = identity
    return Job(rule, tuple(outputs), inputs, params, code, log, environment, dict(checksums))


def _by_output(job: Job) -> str:
    return job.outputs[0]
