"""What the package says of itself: bounds of what it needs, and links that hold everywhere."""

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORT_NAMES = {"scikit-learn": "sklearn", "array-api-compat": "array_api_compat"}
ON_A_DEVICE = {"cupy", "nvmath"}  # of an extra
OF_EXPORT = {"onnx"}  # of an extra
OF_TABLES = {"pandas", "polars", "pyarrow"}  # imported for tables of theirs alone
OF_PICTURES = {"matplotlib"}  # imported where something is drawn


def bounds() -> dict[str, str]:
    """The oldest versions of what the package needs, as pip reads them."""
    return dict(line.split(">=") for line in PROJECT["dependencies"])


def test_bounds_are_what_the_tests_run_with() -> None:
    pinned = (ROOT / ".ci/oldest.txt").read_text().split()
    assert sorted(pinned) == [f"{name}=={version}" for name, version in sorted(bounds().items())]


def test_what_is_imported_is_needed_and_the_other_way_round() -> None:
    found = set()
    for source in (ROOT / "sknorm").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    needed = {IMPORT_NAMES.get(name, name) for name in bounds()}
    optional = ON_A_DEVICE | OF_EXPORT | OF_TABLES | OF_PICTURES
    assert found - sys.stdlib_module_names - optional - {"sknorm"} == needed


def test_links_of_the_readme_hold_outside_of_the_repository() -> None:
    """An index of packages shows it too."""
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / PROJECT["readme"]).read_text())
    source = PROJECT["urls"]["Source"]
    assert links and all(link.startswith("https://") for link in links)
    inside = [re.fullmatch(rf"{source}/(?:blob|raw)/main/([^#]+)", link) for link in links]
    assert any(inside)
    assert all((ROOT / found[1]).exists() for found in inside if found)
