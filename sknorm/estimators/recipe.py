"""What ``"auto"`` stands for: one function of the rows, the columns and the task.

The values are chosen on held-out training rows of development tables; docs/accuracy.md has the
ablations. What a user sets is never changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sklearn.base import is_classifier

from sknorm.data.splits import is_large
from sknorm.optim.schedules import ADAPTIVE_PARTS

# Presets: more networks, trained for longer, than most tables gain from; a few that are nearly as
# accurate; one that takes a fraction of the time; and scikit-learn's values, with whatever norm is
# asked for.
PRESETS = ("best", "accurate", "fast", "sklearn")
PATIENCE = 10
PLANNED = ("cosine", "one_cycle", "adaptive_cosine")  # schedules that are meant to use up max_iter
MAY_END = "_may_end"  # attribute of resolved estimators: whether such a schedule may end before
_SKLEARN = {
    "hidden_layer_sizes": (100,),
    "activation": "relu",
    "learning_rate": "constant",
    "learning_rate_init": 1e-3,
    "max_iter": 200,
    "n_iter_no_change": PATIENCE,
    "beta_2": 0.999,
    "dropout": 0.0,
    "n_bins": None,
    "n_members": 1,
}
AUTO = (*_SKLEARN, "scaling")  # parameters
_DEEP_FROM = 3_000  # rows of several classes, which networks of three layers need
_ADAPTIVE = ("adam", "adamw")  # optimizers that the recipes are for
_PLANS = ("learning_rate", "max_iter", "n_iter_no_change")  # of whole fits
_SHAPE = ("hidden_layer_sizes", "activation", "n_bins", "n_members", "scaling")  # of networks
_SMALL = 100_000  # values of a table under which float64 costs nothing
_WIDEST = 60  # numeric columns of which bins are learned
# Rows of which some are held out: fewer cannot spare any. Each of many classes needs some.
_LEAST_TO_HOLD_OUT = {"binary": 500, "multiclass": 400, "regression": 1_000}
_LEAST_OF_MANY, _LEAST_OF_EACH, _MANY_CLASSES = 1_500, 100, 10
_TINY = 200  # rows below which networks are small
# Dropout from so many rows on: with few, networks grow sure of themselves before they end. Small
# networks need less; with fewer than 100 rows, a row of weight two counts as two rows.
_DROPOUT_OF_TINY = ((100, 0.3), (0, 0.0))
_DROPOUT = {
    "binary": ((1_000, 0.35), (500, 0.5), (_TINY, 0.65), *_DROPOUT_OF_TINY),
    "multiclass": ((1_000, 0.15), (_TINY, 0.3), *_DROPOUT_OF_TINY),
    "regression": ((1_000, 0.05), (_TINY, 0.3), *_DROPOUT_OF_TINY),
}
_DROPOUT_OF_FAST = {
    "binary": ((1_000, 0.25), (_TINY, 0.5), *_DROPOUT_OF_TINY),
    "multiclass": ((1_000, 0.1), (_TINY, 0.2), *_DROPOUT_OF_TINY),
    "regression": ((1_000, 0.0), (_TINY, 0.1), *_DROPOUT_OF_TINY),
}


class Facts(NamedTuple):
    """What is known of a table when ``"auto"`` is resolved.

    Attributes
    ----------
    rows : int or None
        Training rows that count; None if there are more to come.
    numbers : int
        Numeric columns.
    is_sparse : bool
    task : {"binary", "multiclass", "regression"}
    classes : int
        Where there are more than two, of one label a row; else 0.
    """

    rows: int | None
    numbers: int
    is_sparse: bool
    task: str
    classes: int = 0


def resolve(estimator: Any, facts: Facts) -> dict[str, Any]:
    """Values of the parameters that are ``"auto"``, for training on a table.

    Under all presets but 'sklearn', tables of fewer than 200 rows have two layers of 64; dropout
    goes by the rows; sparse tables, those of more than 60 numeric columns, and those with
    ``input_dropout`` have no bins. Scikit-learn's values stand for ``"auto"`` under
    ``solver='sgd'`` and ``'lbfgs'``, and in ``partial_fit``, which does not know how many rows are
    to come.
    """
    scaling = None if estimator.normalization is None else "standard"
    values: dict[str, Any] = {**_SKLEARN, "scaling": scaling}
    if not is_plain(estimator) and facts.rows is not None:
        values |= _RECIPES[estimator.preset](facts)
        if estimator.input_dropout > 0 or facts.is_sparse or not 0 < facts.numbers <= _WIDEST:
            values["n_bins"] = None
        values["scaling"] = "standard" if facts.is_sparse else "robust"
        if facts.rows < _TINY:
            values["hidden_layer_sizes"] = (64, 64)
            values["max_iter"] = min(values["max_iter"], 48)
        if _adapts(estimator, facts):
            values["learning_rate"] = "adaptive_cosine"
        if "adaptive_cosine" in (estimator.learning_rate, values["learning_rate"]):
            values["max_iter"] *= ADAPTIVE_PARTS
    if not is_auto(estimator.learning_rate):  # patience is that of the schedule
        values["n_iter_no_change"] = PATIENCE
        if estimator.learning_rate not in PLANNED:  # which ends where training no longer gains
            values["max_iter"] = _SKLEARN["max_iter"]
    return {name: value for name, value in values.items() if is_auto(getattr(estimator, name))}


def _adapts(estimator: Any, facts: Facts) -> bool:
    """Whether networks train for longer where they explain nearly all of the held-out rows."""
    assert facts.rows is not None
    planned = is_auto(estimator.learning_rate) and is_auto(estimator.max_iter)
    watched = stops_early(estimator, facts) and estimator.scoring == "loss"
    squared = getattr(estimator, "loss", None) == "squared_error"
    return planned and watched and squared and not estimator.swa_fraction


def _by_rows(values: Mapping[str, Sequence[tuple[int, float]]], facts: Facts) -> float:
    assert facts.rows is not None
    return next(value for least, value in values[facts.task] if facts.rows >= least)


def _accurate(facts: Facts) -> dict[str, Any]:
    assert facts.rows is not None
    shallow = facts.task == "multiclass" and facts.rows < _DEEP_FROM
    return {
        "hidden_layer_sizes": (256, 256) if shallow else (256, 256, 256),
        "activation": "mish",
        "learning_rate": "cosine",
        "learning_rate_init": 4e-3 if facts.task == "regression" else 1e-3,
        "max_iter": 32 if shallow else 64,
        "n_iter_no_change": 8 if facts.task == "binary" else 12,
        "beta_2": 0.95,
        "dropout": _by_rows(_DROPOUT, facts),
        "n_bins": "adaptive",
        "n_members": 6,
    }


def _best(facts: Facts) -> dict[str, Any]:
    """More patience as well: the last percent counts more than the time."""
    return {**_accurate(facts), "n_iter_no_change": 12, "n_members": 16}


def _fast(facts: Facts) -> dict[str, Any]:
    numbers = facts.task == "regression"
    return {
        "hidden_layer_sizes": (128, 128, 128) if numbers else (128, 128),
        "activation": "mish",
        "learning_rate": "cosine",
        "learning_rate_init": 5e-3 if numbers else 2e-3,
        "max_iter": 24,
        "n_iter_no_change": 8,
        "beta_2": 0.95,
        "dropout": _by_rows(_DROPOUT_OF_FAST, facts),
        "n_bins": "adaptive",
    }


_RECIPES = {"best": _best, "accurate": _accurate, "fast": _fast}


def resolved(
    estimator: Any, facts: Facts | None = None, known: dict[str, Any] | None = None
) -> Any:
    """A copy of an estimator with values in the place of ``"auto"``.

    Without ``facts`` those of a table of usual size; ``known`` are values of an earlier fit, which
    training goes on with. Where scikit-learn's values stand for ``"auto"`` now, these are what its
    networks are like alone.
    """
    if facts is None:
        task = "multiclass" if is_classifier(estimator) else "regression"
        facts = Facts(10_000, 10, is_sparse=False, task=task)
    values = resolve(estimator, facts)
    kept = _SHAPE if is_plain(estimator) else AUTO
    values |= {n: value for n, value in (known or {}).items() if n in values and n in kept}
    new: Any = object.__new__(type(estimator))
    vars(new).update(vars(estimator) | values)
    # A schedule that somebody has asked for goes on to its end.
    vars(new)[MAY_END] = "learning_rate" in values
    return new


def resolved_for_parts(estimator: Any, known: dict[str, Any] | None) -> Any:
    """The same for ``partial_fit``, which plans nothing; it goes on with ``known`` values."""
    facts = Facts(None, 0, is_sparse=False, task="regression")
    kept = {name: value for name, value in (known or {}).items() if name not in _PLANS}
    return resolved(estimator, facts, kept)


def is_plain(estimator: Any) -> bool:
    """Whether ``"auto"`` is what it is in scikit-learn's MLP, with the norm that is asked for."""
    return estimator.preset == "sklearn" or estimator.solver not in _ADAPTIVE


def is_small(estimator: Any, rows: int, width: int) -> bool:
    """Whether a table is so small that computing in float64 costs little."""
    return rows * width < _SMALL if is_plain(estimator) else rows < _TINY


def standardizes_target(estimator: Any) -> bool:
    """Whether a regressor trains on targets in units of their own."""
    if is_auto(estimator.standardize_target):
        return estimator.normalization is not None or not is_plain(estimator)
    return bool(estimator.standardize_target)


def asks_for_calibration(estimator: Any) -> bool:
    """Whether somebody has asked for it; regressors have none."""
    return getattr(estimator, "calibration", None) not in (None, "auto")


def calibrates(estimator: Any) -> bool:
    """Whether a classifier scales its raw outputs by held-out rows, where it has some."""
    auto = is_auto(getattr(estimator, "calibration", None)) and not is_plain(estimator)
    return (auto and watches(estimator)) or asks_for_calibration(estimator)


def watches(estimator: Any) -> bool:
    """Whether held-out rows, where there are some, may change a model.

    With ``early_stopping=False``, those that ``fit`` is given are there to be scored alone.
    """
    return is_auto(estimator.early_stopping) or bool(estimator.early_stopping)


def stops_early(estimator: Any, facts: Facts) -> bool:
    """Whether an estimator without ``"auto"`` holds rows out to choose the epoch by."""
    if not is_auto(estimator.early_stopping):
        return bool(estimator.early_stopping)
    if asks_for_calibration(estimator):
        return True
    assert facts.rows is not None
    if is_plain(estimator):
        return estimator.solver != "lbfgs" and is_large(facts.rows)
    if facts.classes >= _MANY_CLASSES:
        return facts.rows >= max(_LEAST_OF_MANY, _LEAST_OF_EACH * facts.classes)
    return facts.rows >= _LEAST_TO_HOLD_OUT[facts.task]


def is_auto(value: Any) -> bool:
    """Whether a parameter is ``"auto"``; an array is not."""
    return isinstance(value, str) and value == "auto"
