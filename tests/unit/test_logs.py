"""Whatever breaks a script, its log says why; a user's mistake is one sentence on the screen."""

import subprocess
import sys
from pathlib import Path

import pytest

from detectnet.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
USER_ERROR = """
from detectnet.errors import UserError
from detectnet.logs import parser, run
def main(args):
    raise UserError("the number is odd", where="spec.cfg:3", allowed="even numbers", remedy="Add one.")
run(main, parser("x").parse_args())
"""
DEFECT = USER_ERROR.replace("raise UserError", "1 / 0 or UserError")
BROKEN_IMPORT = "import detectnet.logs\nimport detectnet.no_such_module\n"


def start(tmp_path, text, *more):
    script = tmp_path / "script.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT / 'scripts')!r})\n{text}")
    command = [sys.executable, str(script), "--log", str(tmp_path / "logs" / "x.log"), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, (tmp_path / "logs" / "x.log").read_text()


def test_a_user_error_is_a_sentence_and_its_traceback_is_in_the_log(tmp_path):
    done, log = start(tmp_path, USER_ERROR)
    assert done.returncode == 1
    assert done.stderr == "spec.cfg:3: the number is odd. Allowed: even numbers. Add one.\n"
    assert "Traceback" in log


@pytest.mark.parametrize(("text", "said"), [(DEFECT, "ZeroDivisionError"), (BROKEN_IMPORT, "no_such_module")])
def test_a_defect_is_a_traceback_on_the_screen_and_in_the_log(tmp_path, text, said):
    done, log = start(tmp_path, text)
    assert done.returncode != 0
    assert said in done.stderr
    assert said in log
    assert "Traceback" in log


def test_a_wrong_option_is_in_the_log(tmp_path):
    done, log = start(tmp_path, USER_ERROR, "--nope")
    assert done.returncode == 2
    assert "unrecognized arguments: --nope" in log


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("open(folder, 'w')", "{folder}: there is a folder where a file is to be written"),
        ("(folder / 'a').touch(); (folder / 'a/b').mkdir()", "{folder}/a/b: a part of the path is a file"),
        ("(folder / 'a').touch(); (folder / 'a').mkdir()", "{folder}/a: there is a file where a folder"),
        ("raise OSError(errno.ENOSPC, 'x', str(folder))", "{folder}: the disk is full"),
        ("raise OSError(errno.EROFS, 'x', str(folder))", "{folder}: the disk is read-only"),
        ("raise OSError(errno.EACCES, 'x', 'a', None, str(folder))", "{folder}: permission is denied"),
        ("raise OSError(errno.ENOSPC, 'x')", "the disk is full ([Errno 28] x)"),
    ],
)
def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path, work, said):
    folder = tmp_path / "place"
    folder.mkdir()
    body = f"import errno\nfrom pathlib import Path\nfolder = Path({str(folder)!r})\n"
    body += f"def main(args):\n    {work}\n"
    text = f"from detectnet.logs import parser, run\n{body}run(main, parser('x').parse_args())\n"
    done, log = start(tmp_path, text)
    assert done.returncode == 1
    assert done.stderr.startswith(said.format(folder=folder))
    assert done.stderr.count("\n") == 1
    assert "Traceback" in log


def test_any_other_error_of_the_system_is_a_defect(tmp_path):
    body = "def main(args):\n    raise OSError(5, 'input/output')\n"
    text = f"from detectnet.logs import parser, run\n{body}run(main, parser('x').parse_args())\n"
    done, _ = start(tmp_path, text)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_log_that_cannot_be_written_hides_no_complaint(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT / 'scripts')!r})\n{USER_ERROR}")
    for more, status, said in (([], 1, "there is a folder where a file"), (["--nope"], 2, "--nope")):
        command = [sys.executable, str(script), "--log", str(tmp_path), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert said in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("what", ["it is broken (badly)", "it is broken"])
def test_a_sentence_ends_before_the_next_begins(what):
    assert str(UserError(what, allowed="x", remedy="Mend it.")) == f"{what}. Allowed: x. Mend it."
