"""What the package says of itself: bounds of what it needs, and links that hold everywhere."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and a source distribution of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def sources() -> set[str]:
    """Files of the package, CUDA sources and the marker of types among them."""
    kinds = ("*.py", "*.cu", "*.cuh", "py.typed")
    found = {path for kind in kinds for path in (ROOT / "sknorm").rglob(kind)}
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_has_the_package_with_its_licence_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    about = {name.partition(".dist-info/")[2] for name in names if ".dist-info/" in name}
    assert about == {"METADATA", "WHEEL", "RECORD", "licenses/LICENSE"}
    assert {name for name in names if ".dist-info/" not in name} == sources()
    assert {"sknorm/py.typed", "sknorm/kernels/cuda/sources/steps.cu"} <= names


def test_the_source_distribution_has_what_builds_tests_and_documents_it(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert sources() <= names
    needed = {"pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "tests/conftest.py"}
    assert needed | {"docs/conf.py", "docs/images/speed_accuracy.svg"} <= names
    made = re.compile(r"(^|/)(__pycache__|_build|auto_examples|\.venv)/|\.(pyc|nbi|nbc|npz|pkl)$")
    assert not [name for name in names if made.search(name)]


def test_the_citation_names_this_package() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    pairs = dict(line.split(": ", 1) for line in lines if re.match(r"[a-z-]+: ", line))
    assert pairs["cff-version"] == "1.2.0"
    assert pairs["license"] == PROJECT["license"]
    assert pairs["repository-code"].strip('"') == PROJECT["urls"]["Source"]
    assert {"message", "title", "type"} <= pairs.keys() and "authors:" in lines
