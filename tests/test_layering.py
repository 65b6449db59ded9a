"""Data goes one way, and so do imports: packs -> model -> chat -> ui, and training beside chat."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "guppylm").rglob("*.py"))

# What each part may import of the others. The first names the layers below it.
ALLOWED = {
    "errors": set(),
    "packs": {"errors"},
    "model": {"errors", "packs"},
    "chat": {"errors", "packs", "model"},
    "training": {"errors", "packs", "model"},
    "exam": {"errors", "packs", "model", "chat"},
    "lens": {"errors", "packs", "model", "chat"},
    "ui": {"errors", "packs", "model", "chat", "exam", "lens"},
    "commands": {"errors", "packs", "model", "chat", "training", "exam", "lens", "commands"},
    "cli": {"errors", "commands"},
    "__main__": {"cli"},
    "__init__": {"packs", "model", "chat"},
}


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "guppylm").parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_layers(path):
    part = part_of(path)
    for name in imports_of(path):
        if name.startswith("guppylm."):
            other = name.split(".")[1]
            assert other == part or other in ALLOWED[part], f"{part} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_page_imports_gradio_and_packs_never_import_torch(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert "gradio" not in roots or part_of(path) == "ui"
    assert "torch" not in roots or part_of(path) != "packs"


def test_no_file_of_the_library_is_longer_than_a_chapter():
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 350}
    assert not long


def test_no_persona_is_named_in_the_library():
    names = [
        path.parent.name
        for path in (ROOT / "personas").glob("*/persona.yaml")
        if path.parent.name != "guppy" and not path.parent.name.startswith("_")
    ]
    # The package's own name holds one; as a word of its own it may only be an example in help and docstrings.
    for path in SOURCES:
        code = ast.parse(path.read_text(encoding="utf-8"))
        names_in_code = {node.id for node in ast.walk(code) if isinstance(node, ast.Name)}
        assert not names_in_code & {*names, "guppy"}, path
        if names:
            assert not re.search(rf"\b({'|'.join(names)})\b", path.read_text(encoding="utf-8")), path


def test_checking_a_pack_imports_no_torch():
    program = "import sys; import guppylm.cli, guppylm.commands.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
