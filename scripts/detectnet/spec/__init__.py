"""TLT and TAO spec files: read, checked against the grammar, with errors that name the nearest field."""

from __future__ import annotations

from detectnet.spec.contract import clustering_of, contract_of
from detectnet.spec.conversion import mode_of, shards_of, share_of
from detectnet.spec.load import load, notes_of, parse
from detectnet.spec.message import Message, text_of
from detectnet.spec.problems import Note, OtherKindError, Problem, SpecError

__all__ = [
    "Message",
    "Note",
    "OtherKindError",
    "Problem",
    "SpecError",
    "clustering_of",
    "contract_of",
    "load",
    "mode_of",
    "notes_of",
    "parse",
    "shards_of",
    "share_of",
    "text_of",
]
