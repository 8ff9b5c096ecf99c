"""Each example on a claim has the measure that the benchmark of claims prints."""

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("matplotlib", reason="the examples draw pictures")

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples" / "claims"
NAMES = sorted(path.stem for path in EXAMPLES.glob("plot_*.py"))


@pytest.fixture(scope="module")
def claims() -> Iterator[ModuleType]:
    """The benchmark, which finds its neighbours and the examples on the path."""
    path, modules = sys.path.copy(), set(sys.modules)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("claims", ROOT / "benchmarks" / "claims.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in set(sys.modules) - modules:  # of the benchmarks and of the examples alone
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith((str(ROOT / "benchmarks"), str(EXAMPLES))):
            del sys.modules[name]


def test_the_benchmark_names_every_example(claims: ModuleType) -> None:
    assert sorted(claims.CLAIMS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_a_measure_and_a_verdict(claims: ModuleType, name: str) -> None:
    example = claims.example(name)
    assert list(inspect.signature(example.measure).parameters) == ["table", "seed"]
    assert list(inspect.signature(example.summarize).parameters) == ["runs"]
    assert claims.title(name)


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([2.0, 2.0], "holds (x 2)"),
        ([0.5, 0.5], "opposite (x 0.5)"),
        ([4.0, 0.9], "unclear (x 1.9)"),
        ([1.01, 1.02], "unclear (x 1)"),
    ],
)
def test_a_claim_holds_if_all_seeds_agree(
    claims: ModuleType, gains: list[float], verdict: str
) -> None:
    claims.example(NAMES[0])
    assert sys.modules["protocol"].judge(gains) == verdict
