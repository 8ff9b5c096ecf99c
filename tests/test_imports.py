"""Imports: what ``import sknorm`` loads, and in which direction the parts depend."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import sknorm

ROOT = Path(sknorm.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
LAYERS = [
    "kernels", "backends", "objective", "data", "network", "optim", "files", "training",
    "estimators", "ensembles", "model_selection",
]  # fmt: skip
LEVEL = {layer: level for level, layer in enumerate(LAYERS)} | {
    "penalties": LAYERS.index("objective"),
    "functional": LAYERS.index("network"),
    "metrics": LAYERS.index("network"),
    "inspection": LAYERS.index("model_selection"),
    "export": LAYERS.index("model_selection"),
    "exceptions": 0,
}

# Until something is computed, saved, exported or drawn.
UNWANTED = ("numba", "llvmlite", "cupy", "safetensors", "onnx", "skl2onnx", "matplotlib")


def part(module: str) -> str | None:
    """The part of the package a dotted name belongs to, if it is one with a level."""
    names = module.split(".")
    return names[1] if names[0] == "sknorm" and len(names) > 1 and names[1] in LEVEL else None


def test_import_loads_no_library_that_takes_long() -> None:
    code = f"import sys, sknorm; print([m for m in {UNWANTED} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_public_names_exist_and_every_part_has_a_level() -> None:
    assert set(sknorm.__all__) >= {"MLPClassifier", "MLPRegressor", "__version__"}
    assert all(hasattr(sknorm, name) for name in sknorm.__all__)
    parts = {p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert {name for name in parts if not name.startswith("_")} <= set(LEVEL)


def test_no_source_breaks_a_rule() -> None:
    broken = [
        f"{source.relative_to(ROOT)}: {breach}"
        for source in SOURCES
        for breach in breaches(source.relative_to(ROOT), ast.parse(source.read_text()))
    ]
    assert broken == []


def breaches(source: Path, tree: ast.Module) -> Iterator[str]:
    """What a file does against the rules."""
    names, own = list(imported(tree)), part(".".join(["sknorm", *source.with_suffix("").parts]))
    if source != Path("_sklearn.py") and any(n.startswith("sklearn") and "._" in n for n in names):
        yield "imports private names of scikit-learn"
    if own is not None:  # the package's own front has no level
        above = [name for name in names if (p := part(name)) and LEVEL[p] > LEVEL[own]]
        yield from (f"imports {name} from above" for name in above)
        if "sknorm" in names:
            yield "imports the front"
    if source.parts[0] in ("backends", "kernels"):
        return
    if {name.split(".")[0] for name in names} & {"cupy", "numba", "torch"}:
        yield "knows array libraries apart"
    yield from (f"compares xp, line {n}" for n in comparisons_of_xp(tree))
    for name in names:
        if name.startswith("sknorm.kernels") and not name.startswith("sknorm.kernels.codes"):
            yield f"imports {name} and not the table of a backend"


def imported(tree: ast.Module) -> Iterator[str]:
    """Absolute names of all modules a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import of {node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def comparisons_of_xp(tree: ast.Module) -> Iterator[int]:
    """Lines that compare a namespace of arrays with something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            names = {o.id for o in operands if isinstance(o, ast.Name)}
            if "xp" in names | {o.attr for o in operands if isinstance(o, ast.Attribute)}:
                yield node.lineno
