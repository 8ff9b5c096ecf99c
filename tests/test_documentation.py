"""What the pages say agrees with the code and with the recorded figures."""

import ast
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from sknorm.estimators.parameters import PARAMETERS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
ACCURACY: dict[str, Any] = json.loads((RESULTS / "accuracy.json").read_text(encoding="utf-8"))


def assigned(path: Path, name: str) -> Any:
    """A literal that a module assigns to a name."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path} assigns nothing to {name}")


def mean_ratio(key: str, shift: float, setting: str) -> float:
    """Geometric mean over the tables of our figures over those of the reference."""
    reference, own = {}, {}
    for fit in ACCURACY["fits"]:
        if fit["library"] == ACCURACY["reference"]:
            reference[fit["table"]] = fit[key] + shift
        elif fit.get("setting") == setting:
            own[fit["table"]] = fit[key] + shift
    logs = [math.log(own[table] / reference[table]) for table in reference]
    return math.exp(math.fsum(logs) / len(logs))


def test_every_parameter_stands_under_one_heading() -> None:
    groups = assigned(ROOT / "docs/_ext/parameter_groups.py", "GROUPS")
    names = [name for group in groups.values() for name in group.split()]
    assert sorted(names) == sorted(PARAMETERS)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_text_of_the_figure_says_what_was_recorded(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    errors = [f"{mean_ratio('error', 0.01, setting):.2f}" for setting in ("accurate", "fast")]
    times = [f"{mean_ratio('fit_s', 0.0, 'accurate'):.2f}"]
    times += [str(ratio) for ratio in ACCURACY["time_ratios"].values()]
    for error, time in zip(errors, times, strict=True):
        assert re.search(rf"{error} times its errors in {time}|{error} times in {time}", text)
    assert ACCURACY["date"] in text


def test_the_page_on_accuracy_has_the_recorded_errors() -> None:
    text = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    ours = [fit for fit in ACCURACY["fits"] if fit.get("setting") == "accurate"]
    assert len(ours) == 19
    for fit in ours:
        row = rf"\| {fit['table']} \| {fit['task']} \| {fit['error']:.4f} \|"
        assert re.search(row, text), fit["table"]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_figures_say_when_and_where(path: Path) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert re.match(r"20\d\d-\d\d-\d\d", found["date"])
    assert found["machine"] and found["title"]
    assert all(len(row) == len(found["columns"]) for row in found.get("rows", []))
