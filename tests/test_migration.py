"""The tables of the pages on migrating name parameters that there are, here and there."""

import re
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from sklearn import neural_network

from sknorm import MLPClassifier, MLPRegressor

PAGES = Path(__file__).parents[1] / "docs" / "migration"
CODE = re.compile(r"`([^`]+)`")
BOTH = (MLPClassifier, MLPRegressor)


def rows(page: str) -> list[tuple[list[str], list[str]]]:
    """The names in the first two columns of each row of a page's tables."""
    lines = (PAGES / f"{page}.md").read_text(encoding="utf-8").splitlines()
    cells = [line.split("|") for line in lines if line.startswith("|") and "---" not in line]
    return [(CODE.findall(theirs), CODE.findall(ours)) for _, theirs, ours, *_ in cells]


def taken(*kinds: Any) -> set[str]:
    """Names that constructors take, those of further arguments aside."""
    parameters = [each for kind in kinds for each in signature(kind).parameters.values()]
    return {
        each.name for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
    }


def names_here() -> set[str]:
    """Parameters and attributes of the estimators, and arguments of their methods."""
    found = taken(*BOTH) | {name for kind in BOTH for name in dir(kind)}
    methods = [getattr(kind, name) for kind in BOTH for name in ("fit", "partial_fit")]
    attributes = re.findall(r"^ *(\w+_) :", MLPClassifier.__doc__ or "", flags=re.MULTILINE)
    return found | taken(*methods) | set(attributes)


@pytest.mark.parametrize("page", ["scikit_learn", "skorch", "keras", "pytabkit"])
def test_names_of_this_library_exist(page: str) -> None:
    found = {name for _, ours in rows(page) for name in ours}
    assert len(found) > 10
    assert found <= names_here()


def test_all_parameters_of_scikit_learn_have_a_row_and_their_name() -> None:
    found = [theirs for theirs, _ in rows("scikit_learn") if theirs]
    assert sorted(name for (name,) in found) == sorted(
        taken(neural_network.MLPClassifier, neural_network.MLPRegressor)
    )
    assert all(theirs == ours for theirs, ours in rows("scikit_learn"))


def test_all_parameters_of_skorch_have_a_row() -> None:
    skorch = pytest.importorskip("skorch", reason="needs skorch")
    found = {name for theirs, _ in rows("skorch") for name in theirs}
    assert taken(skorch.NeuralNetClassifier, skorch.NeuralNet) <= found


def test_all_names_of_pytabkit_exist() -> None:
    pytabkit = pytest.importorskip("pytabkit", reason="needs pytabkit")
    found = {name for theirs, _ in rows("pytabkit") for name in theirs}
    assert found <= taken(pytabkit.RealMLP_TD_Classifier)
