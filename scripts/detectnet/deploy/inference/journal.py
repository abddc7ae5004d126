"""The journal of an inference over pictures: what is done already, so that it can go on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from detectnet.deploy.inference.seen import Seen
from detectnet.deploy.inference.sources import File
from detectnet.errors import UserError
from detectnet.files import write_text
from detectnet.logs import log

JOURNAL = "inference.jsonl"


class Journal:
    """One line for each picture, appended when its own files are whole; the first line says the settings.

    Model, clustering and what is written must be the same for going on: half a folder at one threshold and
    half at another is no result. A picture that has changed since, by size or time, is looked at again.
    """

    def __init__(self, out: Path, settings: Any, *, resume: bool) -> None:
        """Begin a journal, or go on with the one in a folder.

        Args:
            out: folder of the inference.
            settings: everything that decides the result, as JSON takes it.
            resume: keep what the journal in ``out`` says; where there is none, it begins anew.

        Raises:
            UserError: to be gone on, and the journal is of other settings.
        """
        self._path = out / JOURNAL
        text = json.dumps(settings, sort_keys=True)
        self._head = json.dumps({"settings": hashlib.sha256(text.encode()).hexdigest()})
        self._done = self._read() if resume else {}
        # Without the half line that a kill may have left.
        write_text(self._path, "".join(f"{line}\n" for line in (self._head, *self._done.values())))

    def find(self, file: File) -> Seen | None:
        """What was found in a picture, if it was looked at and is still the same."""
        line = self._done.get(file.name)
        content = json.loads(line) if line else {}
        if content.pop("stamp", None) != file.stamp:
            return None
        boxes = tuple(tuple(box) for box in content.pop("boxes"))
        names, confidence = tuple(content.pop("names")), tuple(content.pop("confidence"))
        return Seen(boxes=boxes, names=names, confidence=confidence, **content)

    def add(self, file: File, seen: Seen) -> None:
        """Note that a picture's own files are whole."""
        line = json.dumps({**dataclasses.asdict(seen), "stamp": file.stamp}, sort_keys=True)
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(f"{line}\n")

    def _read(self) -> dict[str, str]:
        if not self._path.is_file():
            log.info("%s: nothing to go on with; every picture is looked at", self._path)
            return {}
        head, *lines = self._path.read_text(encoding="utf-8").split("\n")
        if head != self._head:
            raise UserError(
                "the folder was begun with another model or other settings",
                where=self._path,
                remedy="Use those, or leave --resume out to begin anew.",
            )
        # What follows the last line feed is empty, or half a line.
        return {json.loads(line)["image"]: line for line in lines[:-1]}
