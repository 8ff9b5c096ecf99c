"""Imports: what ``import sknorm`` loads, and in which direction the parts depend."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sknorm

ROOT = Path(sknorm.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
LAYERS = [
    "kernels", "backends", "objective", "data", "network", "optim", "training", "estimators",
    "ensembles", "model_selection",
]  # fmt: skip
LEVEL = {layer: level for level, layer in enumerate(LAYERS)} | {
    "penalties": LAYERS.index("objective"),
    "functional": LAYERS.index("network"),
    "metrics": LAYERS.index("network"),
    "inspection": LAYERS.index("model_selection"),
    "exceptions": 0,
}
relative = pytest.mark.parametrize("source", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))


def part(module: str) -> str | None:
    """The part of the package a dotted name belongs to, if it is one with a level."""
    names = module.split(".")
    return names[1] if names[0] == "sknorm" and len(names) > 1 and names[1] in LEVEL else None


def imported(source: Path) -> Iterator[str]:
    """Absolute names of all modules a file imports, inside functions too."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_import_loads_neither_numba_nor_cupy() -> None:
    code = (
        "import sys, sknorm; print([m for m in ('numba', 'llvmlite', 'cupy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_public_names_exist() -> None:
    assert set(sknorm.__all__) >= {"MLPClassifier", "MLPRegressor", "__version__"}
    assert all(hasattr(sknorm, name) for name in sknorm.__all__)


def test_every_part_has_a_level() -> None:
    parts = {p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert {name for name in parts if not name.startswith("_")} <= set(LEVEL)


@relative
def test_imports_point_one_way(source: Path) -> None:
    own = part(".".join(["sknorm", *source.relative_to(ROOT).with_suffix("").parts]))
    if own is None:  # the package's own front
        return
    wrong = [name for name in imported(source) if (p := part(name)) and LEVEL[p] > LEVEL[own]]
    assert not wrong, f"{own} is below {wrong}"
    assert "sknorm" not in set(imported(source))


@relative
def test_only_backends_and_kernels_know_array_libraries_apart(source: Path) -> None:
    """No comparison with ``xp``, and no import of CuPy, outside backends and kernels."""
    if source.relative_to(ROOT).parts[0] in ("backends", "kernels"):
        return
    assert not {name.split(".")[0] for name in imported(source)} & {"cupy", "numba", "torch"}
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            names = {o.id for o in operands if isinstance(o, ast.Name)}
            attributes = {o.attr for o in operands if isinstance(o, ast.Attribute)}
            assert "xp" not in names | attributes, f"line {node.lineno}"


@relative
def test_private_names_of_scikit_learn_are_in_one_module(source: Path) -> None:
    if source == ROOT / "_sklearn.py":
        return
    theirs = [name for name in imported(source) if name.startswith("sklearn.")]
    assert not [name for name in theirs if "._" in name]


@relative
def test_no_private_kernel_is_imported_from_above(source: Path) -> None:
    """Above the backends, kernels are reached through the backend's table alone."""
    own = source.relative_to(ROOT).parts[0]
    if own in ("backends", "kernels"):
        return
    kernels = [name for name in imported(source) if name.startswith("sknorm.kernels")]
    assert all(name.startswith("sknorm.kernels.codes") for name in kernels)
