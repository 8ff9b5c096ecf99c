"""What the examples on claims share: tables, estimators, figures over seeds, verdicts."""

import warnings
from collections.abc import Sequence
from math import exp
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from scipy.stats import gmean
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor

SEEDS = (0, 1, 2)
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"  # in the repository
BLUE, VERMILLION, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#595959"
CLEAR = 1.1  # a ratio from which a difference counts
_LOADERS = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
    "wine": datasets.load_wine,
}


class Table(NamedTuple):
    """One split of a table: standardized features, classes 0, 1, ... or a standardized target."""

    name: str
    n_classes: int
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


class Row(NamedTuple):
    """What a claim has come to on one table."""

    measure: str
    with_norm: str
    without: str
    verdict: str


def load(name: str, rows: int | None = None) -> Table:
    """A table that scikit-learn ships, standardized; a quarter of the rows is for the test.

    ``rows`` is how many of the training rows are taken at most.
    """
    X, y = _LOADERS[name](return_X_y=True)
    n_classes = 0 if name == "diabetes" else len(np.unique(y))
    parts = train_test_split(X, y, random_state=0, stratify=y if n_classes else None)
    X_train, X_test, y_train, y_test = parts
    return standardize(name, n_classes, X_train[:rows], X_test, y_train[:rows], y_test)


def standardize(
    name: str,
    n_classes: int,
    X_train: np.ndarray,
    X_test: np.ndarray,
    y_train: np.ndarray,
    y_test: np.ndarray,
) -> Table:
    """The table by the mean and the deviation of its training rows."""
    scaler = StandardScaler().fit(X_train)
    if not n_classes:
        mean, deviation = np.mean(y_train), np.std(y_train)
        y_train, y_test = (y_train - mean) / deviation, (y_test - mean) / deviation
    return Table(
        name, n_classes, scaler.transform(X_train), y_train, scaler.transform(X_test), y_test
    )


def estimator(table: Table, seed: int, **settings: Any) -> Any:
    """A small network for the table, trained for exactly ``max_iter`` epochs."""
    known: dict[str, Any] = {
        "hidden_layer_sizes": (64, 64),
        "activation": "relu",
        "preset": "sklearn",
        "learning_rate": "constant",
        "batch_size": 64,
        "max_iter": 15,
        "n_iter_no_change": np.inf,
        "early_stopping": False,
        "scaling": None,
        "dtype": "float32",
        "random_state": seed,
    }
    known |= settings
    known["batch_size"] = min(known["batch_size"], len(table.X_train))
    return (MLPClassifier if table.n_classes else MLPRegressor)(**known)


def fit(model: Any, table: Table) -> Any:
    """Fit, also where training diverges."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        return model.fit(table.X_train, table.y_train)


def loss(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Log loss, or mean square error; infinite for a network that has diverged."""
    if isinstance(model, MLPClassifier):
        shares = model.predict_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
        found = -np.log(np.maximum(shares, 1e-15)).mean()
    else:
        found = np.mean((model.predict(X) - y) ** 2)
    return float(found) if np.isfinite(found) else np.inf


def error(model: Any, table: Table) -> float:
    """Loss on the test rows."""
    return loss(model, table.X_test, table.y_test)


def hidden_outputs(model: Any, X: np.ndarray) -> list[np.ndarray]:
    """Outputs of each hidden layer in a prediction, by the equivalent network without norms."""
    found = []
    for weights, biases in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        X = X @ weights + biases
        X = {"logistic": expit, "relu": lambda z: np.maximum(z, 0)}[model.activation](X)
        found.append(X)
    return found


def constant_loss(table: Table) -> float:
    """Loss, on the training rows, of the best answer that is the same for all rows."""
    if not table.n_classes:
        return float(np.var(table.y_train))
    shares = np.bincount(table.y_train.astype(int), minlength=table.n_classes) / len(table.y_train)
    return float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))


def trains(losses: np.ndarray, table: Table, best: float) -> np.ndarray:
    """Which losses are nearer to the best one than to that of a constant answer."""
    return np.asarray(losses) <= (best + constant_loss(table)) / 2


def over_seeds(values: Sequence[float], form: str = ".3g") -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):{form}} ± {np.std(values):{form}}"


def over_ratios(values: Sequence[float]) -> str:
    """Geometric mean, and the smallest and largest value."""
    low, high = np.min(values), np.max(values)
    return f"{gmean(values):.3g} ({low:.3g} to {high:.3g})"


def judge(gains: Sequence[float]) -> str:
    """Holds if the mean ratio is clear and every seed agrees; the opposite alike; else unclear."""
    gains = np.asarray(gains)
    mean = exp(np.mean(np.log(gains)))
    if mean >= CLEAR and gains.min() > 1:
        return f"holds (x {mean:.2g})"
    if mean <= 1 / CLEAR and gains.max() < 1:
        return f"opposite (x {mean:.2g})"
    return f"unclear (x {mean:.2g})"


def axes(columns: int = 1, height: float = 3.6, **settings: Any) -> tuple[Any, Any]:
    """A figure of 640 pixels, readable on dark pages too: it brings its own white ground."""
    plt.rcParams.update({"font.size": 10, "figure.dpi": 100, "axes.titlesize": 10})
    figure, found = plt.subplots(
        1, columns, figsize=(6.4, height), layout="constrained", facecolor="white", **settings
    )
    for each in np.ravel(found):
        each.spines[["top", "right"]].set_visible(False)
    return figure, found


def mark_sizes(ax: Any, sizes: Sequence[int]) -> None:
    """A logarithmic axis of batch sizes, each with its number."""
    ax.set(xscale="log", xlabel="rows of a batch")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)


def band(ax: Any, x: Any, lines: Any, color: str, label: str, style: str = "-o") -> None:
    """Mean over the seeds, and the range of their values."""
    lines = np.where(np.isfinite(lines), lines, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no seed has a finite value
        middle, low, high = (f(lines, axis=0) for f in (np.nanmean, np.nanmin, np.nanmax))
    ax.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    ax.plot(x, middle, style, color=color, markersize=4, label=label)


def show(row: Row) -> None:
    """Print what was found, each part on a line of its own."""
    names = ("measure", "with the norm", "without", "verdict")
    for name, text in zip(names, row, strict=True):
        print(f"{name}:", *text.split("; "), sep="\n    ")
