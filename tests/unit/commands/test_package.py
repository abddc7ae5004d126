"""The project as a package: what ``pip install .`` and ``uv run`` need is in it."""

import subprocess
import zipfile

import pytest
from prepared import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built by uv's own back-end, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = ["uv", "build", "--wheel", "--offline", "--quiet", "--out-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return zipfile.ZipFile(made)


def test_every_file_of_the_library_is_in_the_wheel(wheel):
    library = ROOT / "scripts" / "detectnet"
    kept = {
        f"detectnet/{path.relative_to(library)}"
        for path in library.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert any(name.endswith(".j2") for name in kept)
    assert kept == {name for name in wheel.namelist() if name.startswith("detectnet/") and name[-1] != "/"}


def test_the_licence_travels_along(wheel):
    (name,) = [one for one in wheel.namelist() if one.endswith("licenses/LICENSE")]
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()
