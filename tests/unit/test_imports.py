"""Which files decide a rule's result: all that are imported, and templates only of what renders them."""

from pathlib import Path

import pytest

from detectnet.imports import files_used, package_root

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def tree(tmp_path):
    files = {
        "work.py": "def main():\n    from detectnet.pages import page\n",
        "other.py": "import detectnet.pages.plain\n",
        "detectnet/__init__.py": "",
        "detectnet/errors.py": "",
        "detectnet/logs.py": "from detectnet.errors import x\n",
        "detectnet/numbers.py": "",
        "detectnet/unused.py": "",
        "detectnet/pages/__init__.py": "",
        "detectnet/pages/page.py": """from detectnet import logs
from detectnet.pages import plain
FOLDER = "templates"
""",
        "detectnet/pages/plain.py": "from detectnet.numbers import one\nimport json\n",
        "detectnet/pages/templates/page.j2": "text",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def used(tree, start):
    return [str(Path(path).relative_to(tree)) for path in files_used(tree / start)]


PLAIN = [
    "detectnet/__init__.py",
    "detectnet/numbers.py",
    "detectnet/pages/__init__.py",
    "detectnet/pages/plain.py",
]


def test_a_script_uses_what_it_imports_directly_or_not_but_nothing_that_only_speaks(tree):
    expected = {*PLAIN, "detectnet/pages/page.py", "detectnet/pages/templates/page.j2", "work.py"}
    assert used(tree, "work.py") == sorted(expected)


def test_templates_belong_only_to_the_module_that_names_them(tree):
    assert used(tree, "other.py") == [*PLAIN, "other.py"]


def test_a_module_of_the_package_may_be_the_start(tree):
    assert used(tree, "detectnet/pages/plain.py") == PLAIN
    assert package_root(tree / "detectnet/pages/plain.py") == package_root(tree / "work.py") == tree


@pytest.mark.parametrize(
    ("script", "rendered"), [("build_report", True), ("write_deepstream", True), ("export_onnx", False)]
)
def test_the_scripts_that_render_have_their_templates(script, rendered):
    assert any("/templates/" in path for path in files_used(SCRIPTS / f"{script}.py")) == rendered
