"""The house rules that a machine can hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import stemfx

PACKAGE = Path(stemfx.__file__).parent

# Who may import whom: a module may import from its own layer and from those below it.
LAYERS = [
    {"errors", "clock", "folders", "shipped", "shown", "__init__"},
    {"audio"},
    {"dsp"},
    {
        *(
            "stage",
            "separator",
            "kit",
            "hits",
            "midi_notes",
            "music_reading",
            "fixes",
            "findings",
            "beat_tracker",
            "hookspecs",
        ),
        *("https", "download", "licences"),
    },
    {"health", "drums", "music", "alignment", "ranking"},
    {"stages", "separators", "kits", "testing", "demo_song"},
    {
        *("recipe", "registered", "registry", "models"),
        *("io", "tags", "kit_files", "hit_files", "weight_files"),
    },
    {"graph", "cache", "unfinished", "separation", "delivery", "exports"},
    {
        "plan",
        "plan_inputs",
        "plan_listening",
        "plan_sources",
        "plan_stems",
        "plan_hits",
        "plan_align",
        "plan_meetings",
        "plan_analysis",
        "plan_checks",
        "plan_results",
        "plan_session",
        "plan_stem_file",
    },
    {
        *("operations", "operations_align", "operations_checks", "operations_files"),
        *("operations_page", "operations_session", "run"),
    },
    {"scoring", "slicing", "requirements"},
    {
        *("finding_lines", "report", "report_words", "page", "plot", "strip"),
        *("session", "bundle", "recipe_book"),
    },
    {
        "analysis",
        "mashup",
        "explained",
        "provenance",
        "overview",
        "watching",
        "ui",
        "validation",
        "new_recipe",
    },
    {"new_plugin", "plugin_templates"},
    {"cli", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "shipped_recipes" not in p.parts)


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "stemfx":
                found |= {f"stemfx.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def part_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_never_up(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module in imports_of(path):
        if module.startswith("stemfx.") and part_of(module) in LEVEL:
            assert LEVEL[part_of(module)] <= LEVEL[own], f"{own} imports {module}"


def test_every_module_has_a_place() -> None:
    parts = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in modules()}
    assert parts == set(LEVEL)


def test_nothing_of_the_package_needs_the_shared_folder() -> None:
    assert [p for p in modules() if "shared/" in p.read_text(encoding="utf-8")] == []


HEAVY = {
    *("av", "torch", "scipy", "demucs", "librosa", "pedalboard", "soundfile", "huggingface_hub"),
    *("mutagen", "matplotlib"),
}


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], {*HEAVY, "numpy", "pydantic", "yaml"}),
        (["stages"], HEAVY),
        (["plugins"], HEAVY),
        (["models"], HEAVY),
        (["validate", "remix"], HEAVY),
        (["schema"], HEAVY),
    ],
)
def test_light_commands_load_nothing_heavy(arguments: list[str], unwanted: set[str]) -> None:
    code = (
        "import sys; from stemfx.cli import execute\n"
        f"code = execute({arguments!r})\n"
        "print('LOADED', *sorted({m.partition('.')[0] for m in sys.modules}))\n"
        "sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.rpartition("LOADED")[2].split())
    assert loaded & unwanted == set()
