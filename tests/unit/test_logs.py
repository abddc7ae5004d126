"""Whatever breaks a script, its log says why; a user's mistake is one sentence on the screen."""

import subprocess
import sys
from pathlib import Path

import pytest

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
