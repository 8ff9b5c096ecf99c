"""Do two versions train the same models, bit for bit?

Fits some 80 small models, one factor varied at a time, and keeps what they predict and score:

    python benchmarks/fingerprints.py --save before.npz     # with one version
    python benchmarks/fingerprints.py --compare before.npz  # with another, on the same machine
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.datasets import make_classification, make_regression

from sknorm import MLPClassifier, MLPRegressor, regularization_path
from sknorm.model_selection import EnsembleClassifier, StackedGridSearchCV

X, LABELS = make_classification(
    300, 8, n_informative=5, n_classes=3, flip_y=0.05, class_sep=1.5, random_state=0
)
Y = make_regression(300, 8, n_informative=5, n_targets=2, noise=5.0, random_state=0)[1] / 100
COUNTS = np.random.default_rng(0).poisson(np.exp(X[:, 0] / 2 + 1)).astype(float) + 0.5
WEIGHT = np.random.default_rng(1).integers(0, 4, 300) * 0.5
SMALL: dict[str, Any] = {
    "preset": "sklearn",
    "hidden_layer_sizes": (12, 8),
    "max_iter": 8,
    "random_state": 0,
}
STOP: dict[str, Any] = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 20}

ONE_FACTOR: list[dict[str, Any]] = [
    {},
    *({"normalization": norm} for norm in ("ghost", "layer", None)),
    *({"norm_statistics": kind} for kind in ("cumulative", "population")),
    *({"activation": name} for name in ("tanh", "logistic", "identity")),
    *({"solver": name} for name in ("sgd", "adamw", "lbfgs")),
    *({"solver": "sgd", "learning_rate": name} for name in ("invscaling", "adaptive")),
    *({"learning_rate": name} for name in ("cosine", "one_cycle")),
    *({"penalty": name, "alpha": 0.01} for name in ("l0", "group_lasso")),
    {"penalty": "nuclear", "alpha": 0.01, "solver": "adamw"},
    {"l1_ratio": 0.7, "alpha": 0.01},
    {"dropout": 0.3, "input_dropout": 0.1, "input_noise": 0.1},
    {"mixup_alpha": 0.3},
    {"residual": True, "hidden_layer_sizes": (8, 8, 8)},
    {"swa_fraction": 0.5},
    {"max_grad_norm": 0.1},
    {"n_members": 3},
    {"dtype": "float32", "batch_size": 50},
    {**STOP},
    {**STOP, "scoring": None, "n_members": 2},
    {**STOP, "solver": "lbfgs"},
]
LOSSES: list[dict[str, Any]] = [
    *({"loss": name} for name in ("absolute_error", "huber", "poisson", "gamma")),
    {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
    {"loss": "quantile", "quantile": 0.3, **STOP},
]


def answers(model: Any, table: Any = X) -> list[Any]:
    """What a fitted model predicts, and the curve of its losses."""
    values = model.predict_proba(table) if hasattr(model, "predict_proba") else model.predict(table)
    return [values, np.asarray(model.loss_curve_)]


def called(model: Any, y: Any, **first: Any) -> Any:
    """The model after some calls of ``partial_fit``."""
    for start in range(0, 300, 75):
        model.partial_fit(X[start : start + 75], y[start : start + 75], **first)
    return model


def searched(**settings: Any) -> list[Any]:
    """Scores of a stacked search, and what its winner predicts."""
    grid = {"alpha": [1e-4, 1e-1], "dropout": [0.0, 0.3]}
    search = StackedGridSearchCV(
        MLPClassifier(**SMALL), grid, cv=3, scoring="neg_log_loss", **settings
    ).fit(X, LABELS)
    return [search.cv_results_["mean_test_score"], search.predict_proba(X)]


def path() -> list[Any]:
    """Alphas of a regularization path, and what its models predict."""
    model = MLPRegressor(penalty="group_lasso", **SMALL)
    found = regularization_path(model, X, Y[:, 0], n_alphas=4)
    return [found.alphas, *(each.predict(X) for each in found.estimators)]


def ensemble() -> list[Any]:
    """What an ensemble of two kinds of networks predicts."""
    members = [MLPClassifier(**SMALL, alpha=alpha).fit(X, LABELS) for alpha in (0.0, 0.1)]
    return [EnsembleClassifier.from_fitted(members, [2, 1]).predict_proba(X)]


def cases() -> dict[str, Callable[[], list[Any]]]:
    """All models, by what is special about them."""
    table = sparse.csr_array(np.where(np.abs(X) < 1, 0, X))
    found: dict[str, Callable[[], list[Any]]] = {}
    for changed in ONE_FACTOR:
        kept = {**SMALL, **changed}
        found[f"classifier {changed}"] = lambda k=kept: answers(MLPClassifier(**k).fit(X, LABELS))
        found[f"regressor {changed}"] = lambda k=kept: answers(MLPRegressor(**k).fit(X, Y))
    for changed in LOSSES:
        kept = {**SMALL, **changed}
        found[f"regressor {changed}"] = lambda k=kept: answers(MLPRegressor(**k).fit(X, COUNTS))
    return found | {
        "two classes": lambda: answers(MLPClassifier(**SMALL).fit(X, LABELS > 0)),
        "labels": lambda: answers(MLPClassifier(**SMALL).fit(X, X[:, :3] > 0)),
        "row weights": lambda: answers(MLPRegressor(**SMALL).fit(X, Y, WEIGHT)),
        "class weights": lambda: answers(
            MLPClassifier(**SMALL, class_weight="balanced", label_smoothing=0.1).fit(X, LABELS)
        ),
        "sparse": lambda: answers(MLPClassifier(**SMALL).fit(table, LABELS), table),
        "partial_fit": lambda: answers(called(MLPRegressor(**SMALL), Y)),
        "partial_fit, classes": lambda: answers(
            called(MLPClassifier(**SMALL, dropout=0.1), LABELS, classes=[0, 1, 2])
        ),
        "warm start": lambda: answers(
            MLPRegressor(**SMALL, warm_start=True).fit(X, Y).set_params(alpha=0.1).fit(X, Y)
        ),
        "search": searched,
        "search, racing": lambda: searched(racing=True),
        "search, ensemble": lambda: searched(refit="ensemble"),
        "ensemble": ensemble,
        "path": path,
    }


def main() -> None:
    """Save the answers, or print which of them differ from saved ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", metavar="FILE")
    parser.add_argument("--compare", metavar="FILE")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {
        f"{name} [{place}]": np.asarray(value)
        for name, compute in cases().items()
        for place, value in enumerate(compute())
    }
    if arguments.save:
        np.savez(arguments.save, **found)
    if not arguments.compare:
        return
    with np.load(arguments.compare) as before:
        names = sorted(found.keys() | set(before.files))
        wrong = [n for n in names if n not in found or n not in before.files]
        both = [n for n in names if n not in wrong]
        differ = [n for n in both if not np.array_equal(found[n], before[n], equal_nan=True)]
    print(f"{len(both) - len(differ)} of {len(names)} arrays are the same, bit for bit")
    for name in [*wrong, *differ]:
        print("differs:", name)
    sys.exit(bool(wrong or differ))


if __name__ == "__main__":
    main()
