"""A table that training can start from: check, learn, encode. Nothing is set or drawn."""

from typing import Any

import numpy as np
from scipy import sparse

from sknorm._warnings import warn
from sknorm.backends import keeps_kind
from sknorm.data import checks
from sknorm.data.columns import Columns, Reading
from sknorm.data.dataset import TrainingData
from sknorm.data.kinds import Kinds
from sknorm.data.rows import Rows
from sknorm.data.table import View, engine_table, move_table, numbers, resolve_table, whole
from sknorm.data.targets import Target
from sknorm.estimators import build, recipe
from sknorm.estimators.fitted import Fitted, shallow_copy
from sknorm.estimators.stages import Given, Prepared

_HEADER = ("n_features_in_", "feature_names_in_")
_MOST_UNUSED = 10_000  # levels of a dtype up to which all may be trained by later parts


def prepare(estimator: Any, given: Given, previous: Fitted | None = None) -> Prepared:
    """Check a table, learn what it says of the task and its columns, and encode it."""
    rows, header = check_rows(estimator, given, previous)
    target = learn_target(estimator, rows, given, previous)
    facts = facts_of(rows, target)
    model = recipe.resolved(estimator, facts, previous.resolved if previous else None)
    if previous is not None:
        check_continues(model, target, previous)
    dtype = compute_dtype(model, rows.X, previous)
    encoded = target.encode(rows.y, dtype)
    columns = learn_columns(model, rows, target, previous)
    if previous is None:
        warn_if_clipped(estimator.n_bins, columns)
    backend = resolve_table(rows.X, estimator.backend, estimator.matmul_precision)
    data = TrainingData.encode(backend, rows, encoded, columns, dtype)
    like = given.X.like if isinstance(given.X, View) else given.X
    like = like if keeps_kind(like) else None
    return Prepared(rows, columns, target, encoded, data, backend, dtype, facts, header, like)


def facts_of(rows: Rows, target: Target, *, partial: bool = False) -> recipe.Facts:
    """What ``"auto"`` depends on."""
    return recipe.Facts(
        rows=None if partial else len(rows),
        numbers=int(numbers(rows.X).shape[1]),
        is_sparse=sparse.issparse(whole(rows.X)),
        task=target.task,
        classes=target.n_outputs if target.task == "multiclass" else 0,
    )


def check_continues(model: Any, target: Target, previous: Fitted) -> None:
    """Raise a ValueError if a model cannot go on training under its parameters now."""
    if previous.columns.bins is not None and model.input_dropout > 0:
        raise ValueError(
            f"input_dropout={model.input_dropout} drops numbers, which the model to go on with "
            "embeds (n_bins). Set it to 0, or fit a new estimator (warm_start=False)."
        )
    for name in ("n_bins", "scaling"):  # what the columns are learned by
        now = getattr(model, name)
        if (before := previous.resolved.get(name, now)) != now:
            raise ValueError(
                f"{name}={now!r}, but the model to go on with was trained under {before!r}. "
                "Keep it, or fit a new estimator (warm_start=False)."
            )
    architecture = build.architecture(model, target, previous.columns)
    build.check_continues(previous.network, architecture, model.n_members)


def check_rows(
    estimator: Any, given: Given, previous: Fitted | None
) -> tuple[Rows, dict[str, Any]]:
    """Checked rows that count, and the attributes that scikit-learn's checks have set."""
    fresh = previous is None
    several = estimator.normalization in ("batch", "ghost") and (fresh or not given.partial)
    at_least = 2 if several else 1  # in a later call a single row waits for others
    checked = shallow_copy(estimator) if fresh else estimator
    known = None if previous is None else previous.columns.kinds
    X, y, names = _checked(checked, given, known, at_least)
    header = _header(checked)
    if previous is not None:
        previous.columns.check_sparse(X)
    weight = checks.check_weights(given.weight, X)
    groups = None if given.groups is None else checks.check_groups(given.groups, X)
    positions, total = None, int(X.shape[0])
    sparse_y = sparse.issparse(y)
    rows = Rows(X, estimator._check_target(y), None, groups, positions, total, names, sparse_y)
    rows = rows.weighted(weight, at_least)
    return rows.weighted(estimator._weigh(rows, given), at_least), header


def _checked(
    estimator: Any, given: Given, known: Kinds | None, at_least: int
) -> tuple[Any, Any, Any]:
    """X and y as arrays, and the names of the columns; ``known`` is what X has to be like."""
    if isinstance(given.X, View):
        checks.check_count(estimator, given.X, at_least)
        estimator.n_features_in_, names = given.X.shape[1], given.X.names
        if names is not None:
            estimator.feature_names_in_ = names
        return given.X, checks.check_targets(estimator, given.X, given.y), names
    X = move_table(given.X, estimator.backend)
    names = checks.feature_names(X)
    unused = _MOST_UNUSED if known is None and given.partial else 0
    X, y = checks.check_features(
        estimator, X, y=given.y, at_least=at_least, known=known, unused=unused
    )
    checks.check_sparse_backend(X, estimator.backend)
    return X, y, names


def view_table(estimator: Any, X: Any) -> View:
    """A checked table, of whose rows views can be fitted to without another check."""
    checked, like = shallow_copy(estimator), X
    X = checks.check_features(checked, move_table(X, estimator.backend))
    checks.check_sparse_backend(X, estimator.backend)
    if isinstance(X, np.ndarray):
        X = np.ascontiguousarray(X)
    backend = resolve_table(X, estimator.backend, estimator.matmul_precision)
    names = getattr(checked, "feature_names_in_", None)
    return View(X, np.arange(X.shape[0]), engine_table(backend, X), names, like)


def learn_target(estimator: Any, rows: Rows, given: Given, previous: Fitted | None) -> Target:
    """What the targets say of the task; going on, the same under the loss that is asked for."""
    if previous is None:
        return estimator._learn_target(rows, given)
    if not given.partial:
        previous.target.check_same_task(rows.y)
    return estimator._go_on_with(previous.target)


def learn_columns(
    estimator: Any, rows: Rows, target: Target, previous: Fitted | None, *, partial: bool = False
) -> Columns:
    """The columns of the rows; a warm start keeps those that its weights were trained under.

    Those of a ``partial`` table are not all that is to come.
    """
    if previous is not None:
        known = previous.columns  # statistics of this table would be for other weights
        scaled = known.statistics is not None or known.clip.any()
        return known.after(rows.X) if scaled else known.pooled(rows.X, rows.weight, rows.names)
    how = Reading(
        scaling=build.scaling(estimator, rows.X),
        n_bins=build.n_bins(estimator, rows, target, partial=partial),
        min_frequency=estimator.min_frequency,
        keeps_unused=partial,
    )
    return Columns.learn(rows.X, rows.weight, rows.names, how)


def warn_if_clipped(n_bins: int | str | None, columns: Columns) -> None:
    """Warn of more bins than any column has."""
    if n_bins is None or isinstance(n_bins, str):
        return
    most = max(columns.bins.counts) if columns.bins else 0
    if columns.kinds.numeric and n_bins > most:
        what = f"it is clipped to {most}" if most else "numbers are taken as they are"
        warn(f"n_bins={n_bins} is more than any column has different values for; {what}.")


def _header(checked: Any) -> dict[str, Any]:
    return {name: getattr(checked, name) for name in _HEADER if hasattr(checked, name)}


def compute_dtype(estimator: Any, X: Any, previous: Fitted | None) -> Any:
    """In which the networks compute."""
    if previous is not None:
        return previous.dtype
    if estimator.dtype == "auto":
        small = recipe.is_small(estimator, *X.shape)
        return np.float64 if "64" in str(X.dtype) and small else np.float32
    return np.dtype(estimator.dtype).type
