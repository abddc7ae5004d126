"""The lineage of a run on hand-made records: what is kept, what is made again, what is refused."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from detectnet.errors import UserError
from detectnet.versioning.lineage import restore_lineage, save_lineage
from detectnet.versioning.records import Job, Records

RAW, MIDDLE, END, OTHER = "data/raw.csv", "data/middle.csv", "results/one/end.csv", "results/two/end.csv"


def digest(text):
    return sha256(text.encode()).hexdigest()


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def job(rule, outputs, inputs):
    return Job(rule, tuple(outputs), tuple(inputs), ("'a'",), f"make {rule}", (), "hash", dict(inputs))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """raw -> middle -> the end of run one, and of run two; with Snakemake's records of it."""
    monkeypatch.chdir(tmp_path)
    for path, text in ((RAW, "raw"), (MIDDLE, "middle"), (END, "end"), (OTHER, "other")):
        write(path, text)
    records = Records()
    records.write(job("middle", [MIDDLE], {RAW: digest("raw")}))
    records.write(job("end", [END], {MIDDLE: digest("middle")}))
    records.write(job("other", [OTHER], {MIDDLE: digest("middle")}))
    return records


def fresh(*paths):
    """Another clone: no records, and only some of the files, in whatever order they came."""
    for folder in (".snakemake", "data", "results"):
        if Path(folder).exists():
            Path(folder).rename(f"old-{folder}")
    for path, text in paths:
        write(path, text)


def test_a_run_and_what_is_behind_it_is_written(made):
    assert save_lineage("lineage.json", "one") == 2
    content = json.loads(Path("lineage.json").read_text())
    assert [one["rule"] for one in content["jobs"]] == ["middle", "end"]
    assert content["files"] == {RAW: digest("raw"), MIDDLE: digest("middle"), END: digest("end")}


def test_the_same_records_give_the_same_bytes(made):
    save_lineage("first.json", "one")
    os.utime(END)
    save_lineage("second.json", "one")
    assert Path("first.json").read_bytes() == Path("second.json").read_bytes()


def test_nothing_is_written_of_a_run_that_is_out_of_date(made):
    write(RAW, "changed")
    with pytest.raises(UserError, match=r"data/raw.csv was changed after data/middle.csv"):
        save_lineage("lineage.json", "one")


def test_a_run_that_was_never_made_is_named(made):
    with pytest.raises(UserError, match="no records of the run 'three'"):
        save_lineage("lineage.json", "three")


def test_records_come_back_as_they_were(made):
    save_lineage("lineage.json", "one")
    before = [one for one in made.jobs() if one.rule != "other"]
    fresh((RAW, "raw"), (MIDDLE, "middle"), (END, "end"))
    assert restore_lineage("lineage.json") == []
    assert Records().jobs() == before


def test_what_is_made_of_something_gets_a_later_time(made):
    save_lineage("lineage.json", "one")
    fresh((END, "end"), (MIDDLE, "middle"), (RAW, "raw"))
    restore_lineage("lineage.json")
    assert Path(RAW).stat().st_mtime_ns < Path(MIDDLE).stat().st_mtime_ns < Path(END).stat().st_mtime_ns


def test_missing_files_are_no_reason_to_make_others_again(made):
    save_lineage("lineage.json", "one")
    fresh((END, "end"))
    assert restore_lineage("lineage.json") == []
    assert [one.outputs for one in Records().jobs()] == [(END,)]


def test_what_was_made_from_a_changed_file_is_old_however_old_the_change(made):
    save_lineage("lineage.json", "one")
    fresh((RAW, "changed"), (MIDDLE, "middle"), (END, "end"))
    os.utime(RAW, (1, 1))
    (stale,) = restore_lineage("lineage.json")
    assert (stale.job.rule, stale.changed) == ("middle", (RAW,))
    assert Path(MIDDLE).stat().st_mtime < 1


def test_a_file_of_another_version_has_no_record(made):
    save_lineage("lineage.json", "one")
    fresh((RAW, "raw"), (MIDDLE, "another version"), (END, "end"))
    stale = restore_lineage("lineage.json")
    assert [(one.job.rule, one.changed) for one in stale] == [("middle", (MIDDLE,)), ("end", (MIDDLE,))]
    assert [one.rule for one in Records().jobs()] == ["end"]


def test_a_damaged_lineage_is_refused(made):
    write("lineage.json", '{"version": 1, "files": {}, "jobs": [{"rule": "end"}]}')
    with pytest.raises(UserError, match="not a lineage"):
        restore_lineage("lineage.json")
    write("lineage.json", '{"version": 9}')
    with pytest.raises(UserError, match="version 9"):
        restore_lineage("lineage.json")


def test_names_longer_than_a_file_name_may_be(made):
    long = "results/one/" + "/".join(["x" * 80] * 5)
    write(long, "long")
    made.write(job("long", [long], {RAW: digest("raw")}))
    assert long in {one.outputs[0] for one in made.jobs()}
