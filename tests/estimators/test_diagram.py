"""What scikit-learn's diagram shows of a network: summary, curves, links, and nothing unescaped."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as ScikitMLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm._documentation_links import DOCUMENTATION
from sknorm.estimators.diagram import summary
from sknorm.model_selection import (
    EnsembleClassifier,
    EnsembleRegressor,
    StackedGridSearchCV,
    StackedRandomizedSearchCV,
)

QUICK: dict[str, Any] = {
    "hidden_layer_sizes": (6,), "preset": "sklearn", "max_iter": 4, "learning_rate": "cosine",
    "random_state": 0,
}  # fmt: skip
PUBLIC = [
    MLPClassifier, MLPRegressor, EnsembleClassifier, EnsembleRegressor, StackedGridSearchCV,
    StackedRandomizedSearchCV,
]  # fmt: skip
VOID = {"input", "meta", "br", "img"}


class Reader(HTMLParser):
    """Reads tags that must be closed in their order, and the terms of lists."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def facts(page: str) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    return {unescape(name): unescape(text) for name, text in found}


@pytest.fixture(scope="module")
def model(binary: tuple[np.ndarray, np.ndarray]) -> MLPClassifier:
    return MLPClassifier(early_stopping=True, l1_ratio=1.0, alpha=0.05, **QUICK).fit(*binary)


def test_a_fitted_network_says_what_was_trained(model: MLPClassifier) -> None:
    page = model._repr_html_()
    found = facts(page)
    assert found["layers"] == "6 columns → 6 inputs → 6 → 1"
    assert found["block"] == "batch norm, relu, dropout 0"
    assert found["parameters"] == str(6 * 6 + 12 + 6 + 1)
    assert found["epochs"].startswith("4")
    best = model.best_validation_score_
    assert found["held-out score"] == f"{best:.4g} at best, scoring='loss'"
    assert found["zero weights"].startswith(f"{model.sparsity_[0]:.0%}, ")
    became = found['"auto" became']
    assert "activation='relu'" in became and "max_iter" not in became and "hidden" not in became
    assert page.count("<svg") == 2 and "matplotlib" not in page
    Reader(summary(model))


def test_a_training_that_max_time_ended_says_so(
    model: MLPClassifier, binary: tuple[np.ndarray, np.ndarray]
) -> None:
    brief = MLPClassifier(**{**QUICK, "max_iter": 100_000}, max_time=0.05).fit(*binary)
    assert brief.timed_out_ and "ended by max_time" in facts(brief._repr_html_())["epochs"]
    assert "max_time" not in facts(summary(model))["epochs"]
    further = brief.set_params(learning_rate="constant").partial_fit(*binary)
    assert "max_time" not in facts(summary(further))["epochs"]


def test_members_are_counted(regression: tuple[np.ndarray, np.ndarray]) -> None:
    space = {"dropout": [0.1, 0.3]}
    model = MLPRegressor(n_members=5, member_space=space, early_stopping=True, **QUICK)
    found = facts(summary(model.fit(*regression)))
    kept = len(model.member_weights_)
    assert found["members"] == (f"{kept}, chosen of 5" if kept < 5 else "5")
    assert found["block"].endswith("dropout 0.1 to 0.3") or kept == 1
    assert found["parameters"].endswith("each") == (kept > 1)


def test_an_unfitted_network_looks_as_those_of_scikit_learn() -> None:
    page = MLPClassifier()._repr_html_()
    assert "sknorm-summary" not in page and "Fitted attributes" not in page
    assert "Not fitted" in page and "hidden_layer_sizes" in page


def test_a_pipeline_and_a_search_show_the_network_in_them(
    binary: tuple[np.ndarray, np.ndarray],
) -> None:
    network = MLPClassifier(**QUICK)
    pipeline = make_pipeline(StandardScaler(), network).fit(*binary)
    assert pipeline._repr_html_().count('class="sknorm-summary"') == 1
    grid = {"mlpclassifier__alpha": [0.1, 1.0]}
    for kind in (GridSearchCV, StackedGridSearchCV):
        page = kind(pipeline, grid, cv=2).fit(*binary)._repr_html_()
        assert page.count('class="sknorm-summary"') == 1 and "best_estimator_" in page


def test_attributes_stand_in_the_table_without_being_computed(model: MLPClassifier) -> None:
    table = model._get_fitted_attr_html()
    assert {"n_iter_", "history_", "classes_", "sparsity_", "coefs_", "loss_"} <= set(table)
    assert table["coefs_"]["value"] == "2 arrays" and "feature_importances_" not in table
    assert table["classes_"]["shape"] == (2,)


def test_trainings_of_one_epoch_and_of_none_have_no_curve(
    regression: tuple[np.ndarray, np.ndarray],
) -> None:
    X, y = regression
    once = MLPRegressor(preset="sklearn", random_state=0).partial_fit(X, y)
    constant = MLPRegressor(preset="sklearn", solver="lbfgs", tol=1.0, random_state=0)
    constant.fit(X, np.zeros(len(X)))
    for model in (once, constant):
        assert "<svg" not in summary(model) and "epochs" in facts(summary(model))


def test_losses_that_are_not_finite_leave_gaps(model: MLPClassifier) -> None:
    history = {**model.history_, "loss": [np.inf, 3.0, np.nan, 1e300]}
    other = MLPClassifier()
    other.__dict__.update({**vars(model), "history_": history})
    page = summary(other)
    assert "nan" not in page.lower() and "inf" not in page.replace("info", "")
    Reader(page)


def test_a_property_that_raises_is_left_out(binary: tuple[np.ndarray, np.ndarray]) -> None:
    class Own(MLPClassifier):
        @property
        def broken_(self) -> float:
            raise ValueError("never")

    table = Own(**QUICK).fit(*binary)._get_fitted_attr_html()
    assert "broken_" not in table and "n_iter_" in table


def test_hostile_names_are_escaped(binary: tuple[np.ndarray, np.ndarray]) -> None:
    hostile = "</dd><script>alert('1')</script>\" onload=\"x"

    def score(estimator: Any, X: Any, y: Any) -> float:
        return 1.0

    score.__name__ = hostile
    labels = np.array([f"{hostile}{k}" for k in (0, 1)])[binary[1]]
    model = MLPClassifier(scoring=score, early_stopping=True, **QUICK).fit(binary[0], labels)
    assert hostile[:40] in facts(summary(model))["held-out score"]
    for page in (summary(model), model._repr_html_()):
        assert "<script>alert" not in page and 'onload="x' not in page
    assert "script" not in Reader(summary(model)).seen


def test_a_summary_is_small_and_quick(binary: tuple[np.ndarray, np.ndarray]) -> None:
    many = {"n_members": 8, "early_stopping": True, "n_iter_no_change": np.inf, "max_iter": 150}
    model = MLPClassifier(**{**QUICK, **many})
    model.fit(*binary)
    model._repr_html_()
    started = perf_counter()
    page = summary(model)
    assert perf_counter() - started < 0.2  # 2 ms on a machine that does nothing else
    assert len(page.encode()) < 24_000


@pytest.mark.parametrize("kind", PUBLIC)
def test_links_lead_to_the_pages_of_the_documentation(kind: Any) -> None:
    arguments = {"EnsembleClassifier": [[]], "EnsembleRegressor": [[]]}.get(kind.__name__, [])
    if "Search" in kind.__name__:
        arguments = [MLPClassifier(), {"alpha": [1.0]}]
    link = kind(*arguments)._get_doc_link()
    module, name = re.fullmatch(rf"{DOCUMENTATION}/api/(.*)\.(\w+)\.html", link).groups()  # type: ignore[union-attr]
    listing = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    listed = re.findall(r"^   ~?([\w.]+)$", listing, flags=re.MULTILINE)
    assert f"{module}.{name}" in [f"sknorm.{each}" for each in listed]


@pytest.mark.parametrize("kind", PUBLIC)
def test_each_parameter_and_attribute_has_a_tooltip(kind: Any) -> None:
    from sklearn.utils._repr_html.common import generate_link_to_param_doc, get_docstring

    for name in kind._get_param_names():
        assert generate_link_to_param_doc(kind, name, "page"), name
        assert len(get_docstring(kind, "Parameters", name).split("<br>")) > 2, name
    if kind in (MLPClassifier, MLPRegressor):
        documented = {n for n in dir(kind) if n.endswith("_") and not n.startswith("_")}
        assert [n for n in documented if not get_docstring(kind, "Attributes", n)] == []


def test_a_class_of_a_user_has_no_page() -> None:
    class Own(MLPClassifier):
        pass

    assert Own()._get_doc_link() == ""
    Own.__module__ = "sknorm.own"
    Own.__name__ = '"><b>'
    assert '"' not in Own()._get_doc_link()
    assert ScikitMLPClassifier()._get_doc_link().startswith("https://scikit-learn.org")
