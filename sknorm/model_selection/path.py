"""The regularization path: models from the strongest penalty downwards, each from the last."""

import copy
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone

from sknorm._typing import Integer, Number, Numbers
from sknorm.backends import collect
from sknorm.ensembles.members import named
from sknorm.estimators import MLPClassifier, MLPRegressor
from sknorm.estimators.attributes import connections
from sknorm.estimators.fitted import fitted_of
from sknorm.estimators.fitting import fits_on_path
from sknorm.estimators.repeated_warnings import told_once
from sknorm.objective.penalties import PENALTIES

_FACTOR = 4.0  # between the alphas that the search for the strongest one tries
_TRIES = 20


@dataclass(frozen=True)
class RegularizationPath:
    """Models along a path of decreasing penalties.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty, decreasing.
    estimators : list of n_alphas fitted estimators
    active : bool ndarray of shape (n_alphas, n_features)
        Whether a feature has a weight that is not zero in the first layer.
    sparsity : ndarray of shape (n_alphas, n_layers - 1)
        Share of exact zeros of each layer.
    entry_order : int ndarray
        Features in the order in which they enter for good: from there on down they are
        active. Those that enter together by falling importance; those that are not active at
        the last alpha are left out.
    """

    alphas: np.ndarray
    estimators: list[Any]
    active: np.ndarray
    sparsity: np.ndarray
    entry_order: np.ndarray


@told_once()
def regularization_path(
    estimator: MLPClassifier | MLPRegressor,
    X: Any,
    y: Any,
    *,
    alphas: Numbers | None = None,
    n_alphas: Integer = 20,
    alpha_min_ratio: Number = 1e-3,
    **fit_params: Any,
) -> RegularizationPath:
    """Fit an estimator for decreasing alphas, each fit starting from the last one's weights.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With a sparse penalty: ``penalty="group_lasso"`` or ``"l0"``, or ``l1_ratio > 0``. It is
        not changed. Its ``checkpoint``, which is of one model, is not used.
        ``early_stopping="auto"`` does not stop early here. With
        ``early_stopping=True``, each model has the weights of the best epoch under its own
        alpha; those that it starts from are not among them.
    X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    alphas : sequence of float, default=None
        Strengths; they are taken in decreasing order. None takes ``n_alphas`` of them, evenly
        spaced on a logarithmic scale, from the one that leaves nothing (found by trial to a
        factor of two) down to ``alpha_min_ratio`` times it. Under a norm, which holds the
        length of each unit's weights, nothing means one feature a unit.
    n_alphas : int, default=20
    alpha_min_ratio : float, default=1e-3
    **fit_params
        Passed to ``fit``: sample_weight, for example.

    Returns
    -------
    RegularizationPath

    Raises
    ------
    TypeError
        If the estimator is not one of sknorm's.
    ValueError
        If ``fit`` would refuse a parameter, if the penalty sets no weight to zero, if the alphas
        are not positive, if no alpha was found that leaves nothing, or if X has a single column,
        under a norm, and no alphas are given.

    Notes
    -----
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models
    via coordinate descent. A network without inputs cannot learn which to take, so the fit
    after one that left nothing starts from new weights. With early stopping, so does each
    feature that is switched off: at zero, one that acts together with another that is off would
    have no gradient. Training then goes on while the training loss or the score improves, and
    the score chooses the weights. Models far down a path may fall behind one fitted anew.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sknorm import MLPRegressor, regularization_path
    >>> X, y = make_friedman1(300, n_features=8, noise=0.1, random_state=0)
    >>> model = MLPRegressor(hidden_layer_sizes=(16,), penalty="group_lasso", tol=1e-3,
    ...                      random_state=0)
    >>> path = regularization_path(model, X, y, alphas=[0.3, 0.1, 0.03])
    >>> path.active.shape
    (3, 8)
    """
    _check(estimator, alphas, n_alphas, alpha_min_ratio)
    X, y = collect(X), collect(y)
    kept = {"warm_start": estimator.warm_start, "checkpoint": estimator.checkpoint}
    model = clone(estimator).set_params(warm_start=True, checkpoint=None)
    if model.early_stopping == "auto":
        model.set_params(early_stopping=False)
    if alphas is None:
        _check_width(model, X)
        largest = _largest_alpha(model, X, y, fit_params)
        steps = np.geomspace(largest, largest * alpha_min_ratio, n_alphas)
    else:
        steps = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    fitted: list[Any] = []
    for alpha in steps:
        model.set_params(alpha=float(alpha))
        if fitted and not _active(model).any():
            model = clone(model)
        with fits_on_path():
            model.fit(X, y, **fit_params)
        fitted.append(copy.deepcopy(model).set_params(**kept))
    active = np.stack([_active(each) for each in fitted])
    sparsity = np.stack([each.sparsity_ for each in fitted])
    return RegularizationPath(steps, fitted, active, sparsity, _entry_order(fitted, active))


def _largest_alpha(model: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> float:
    """The least alpha, to a factor of two, under which nothing is left."""

    def leaves_nothing(alpha: float) -> bool:
        trial = clone(model).set_params(alpha=alpha, warm_start=False)
        with fits_on_path():
            trial.fit(X, y, **fit_params)
        allowed = 0 if trial.normalization is None else 1
        return int(np.count_nonzero(connections(fitted_of(trial)), axis=1).max()) <= allowed

    alpha = 1.0
    empty = leaves_nothing(alpha)
    for _ in range(_TRIES):
        following = alpha / _FACTOR if empty else alpha * _FACTOR
        if leaves_nothing(following) != empty:
            high, low = max(alpha, following), min(alpha, following)
            middle = float(np.sqrt(high * low))
            return middle if leaves_nothing(middle) else high
        alpha = following
    raise ValueError(
        f"No alpha between 1 and {alpha:.2g} separates networks with weights from networks "
        "without. Pass alphas, or raise max_iter or learning_rate_init."
    )


def _active(model: Any) -> np.ndarray:
    """Which features have a weight that is not zero, in any member."""
    return np.any(connections(fitted_of(model)), axis=(0, 2))


def _entry_order(fitted: list[Any], active: np.ndarray) -> np.ndarray:
    entered = np.flatnonzero(active[-1])
    # Batches are noisy: near the strongest alpha, features come and go.
    first = len(active) - np.argmin(active[::-1], axis=0)
    first[active.all(axis=0)] = 0
    importance = np.array([fitted[first[j]].feature_importances_[j] for j in entered])
    return entered[np.lexsort((-importance, first[entered]))]


def _check_width(model: Any, X: Any) -> None:
    """Refuse a search for the strongest alpha where the weakest leaves no more features."""
    if model.normalization is not None and len(np.shape(X)) == 2 and np.shape(X)[1] == 1:
        raise ValueError(
            "X has a single column, which no alpha takes away under normalization="
            f"{model.normalization!r}: its norm holds the length of the weights. Pass alphas, or "
            "set normalization=None."
        )


def _check(estimator: Any, alphas: Any, n_alphas: Any, alpha_min_ratio: Any) -> None:
    if not isinstance(estimator, MLPClassifier | MLPRegressor):
        raise TypeError(
            "estimator must be an MLPClassifier or MLPRegressor of sknorm, got "
            f"{named(estimator)}. Fit the steps of a Pipeline before it on their own."
        )
    estimator._validate_params()
    penalty = PENALTIES[estimator.penalty].of(1.0, estimator.l1_ratio)
    if penalty.is_smooth or not penalty.selects:
        raise ValueError(
            f"penalty={estimator.penalty!r} with l1_ratio={estimator.l1_ratio} sets no weight to "
            "zero, so features have no order of entry. Use penalty='group_lasso' or 'l0', or "
            "l1_ratio > 0."
        )
    if alphas is not None and np.ndim(alphas) != 1:
        raise ValueError(f"alphas must be a sequence of positive numbers, got {alphas!r}.")
    if alphas is not None and (np.size(alphas) == 0 or not np.all(np.asarray(alphas) > 0)):
        raise ValueError(f"alphas must be positive numbers, got {alphas!r}.")
    if not isinstance(n_alphas, Integral) or n_alphas < 1 or not 0 < alpha_min_ratio <= 1:
        raise ValueError(
            "n_alphas must be an integer from 1 on and alpha_min_ratio in (0, 1], got "
            f"{n_alphas!r} and {alpha_min_ratio!r}."
        )
