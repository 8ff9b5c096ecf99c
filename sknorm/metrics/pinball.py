"""The pinball loss of several quantiles at once, as a share of what a constant would have."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sklearn.metrics
from sklearn.exceptions import UndefinedMetricWarning

from sknorm._sklearn import _Scorer
from sknorm._warnings import warn
from sknorm.backends import fetched

# Where models that hold another one keep it once they are fitted.
_INNER = ("best_estimator_", "regressor_", "estimator_", "estimator")


def d2_pinball_score(
    y_true: Any,
    y_pred: Any,
    *,
    alpha: float | Sequence[float] = 0.5,
    sample_weight: Any = None,
) -> float:
    r"""Mean over several quantiles of the share of the pinball loss that predictions explain.

    For targets o, levels l and the pinball losses :math:`L_{ol}` of the predictions and
    :math:`L^0_{ol}` of the best constants, the quantiles of `y_true`,

    .. math:: D^2 = \frac{1}{m q} \sum_{o,l} \left( 1 - L_{ol} / L^0_{ol} \right).

    For one level it is :func:`sklearn.metrics.d2_pinball_score`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
    y_pred : array-like of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
        Predictions of the quantiles, the last axis in the order of `alpha`. Axes of length one
        may be left out.
    alpha : float or array-like of shape (n_quantiles,), default=0.5
        Levels of the quantiles, in (0, 1).
    sample_weight : array-like of shape (n_samples,), default=None
        Row weights.

    Returns
    -------
    float
        1 for perfect predictions, 0 for those of the best constants; NaN for a single row.

    Raises
    ------
    ValueError
        If the shape of `y_pred` is none of these, or a level is not in (0, 1).

    Warns
    -----
    UndefinedMetricWarning
        If there is a single row.

    References
    ----------
    Koenker and Machado (1999), Goodness of fit and related inference processes for quantile
    regression, Journal of the American Statistical Association 94, 1296-1310.

    Examples
    --------
    >>> from sknorm.metrics import d2_pinball_score
    >>> round(d2_pinball_score([1, 2, 3], [[1, 2], [2, 2], [2, 3]], alpha=[0.1, 0.5]), 3)
    0.583
    """
    levels = np.atleast_1d(np.asarray(alpha, dtype=np.float64))
    if levels.ndim != 1 or levels.size == 0 or not np.all((levels > 0) & (levels < 1)):
        raise ValueError(f"alpha={alpha!r} must be a level in (0, 1), or a list of such levels.")
    y, predicted, weight = (np.asarray(fetched(a)) for a in (y_true, y_pred, sample_weight))
    rows = len(y)
    y = y.reshape(rows, int(np.prod(y.shape[1:])))
    shape = (rows, y.shape[1], len(levels))
    if len(predicted) != rows or _long(predicted.shape[1:]) != _long(shape[1:]):
        raise ValueError(
            f"y_pred has shape {predicted.shape}, but {rows} rows of {shape[1]} targets at "
            f"{shape[2]} levels need {shape}; axes of length one may be left out."
        )
    if rows < 2:
        message = "D^2 is not defined for a single row, and NaN."
        warn(message, UndefinedMetricWarning)
        return float("nan")
    predicted = predicted.reshape(shape)
    weights = None if sample_weight is None else weight
    each = [
        sklearn.metrics.d2_pinball_score(
            y, predicted[:, :, place], alpha=float(level), sample_weight=weights
        )
        for place, level in enumerate(levels)
    ]
    return float(np.mean(each))


class _FittedLevelsScorer(_Scorer):
    """A scorer of quantiles whose levels are those that the model was fitted with."""

    def _score(
        self, method_caller: Callable, estimator: Any, X: Any, y_true: Any, **kwargs: Any
    ) -> float:
        levels = _levels(estimator)
        predicted = method_caller(estimator, "predict", X, pos_label=None)
        return self._sign * self._score_func(y_true, predicted, alpha=levels, **kwargs)

    def __repr__(self) -> str:
        return "d2_pinball_scorer"


d2_pinball_scorer = _FittedLevelsScorer(d2_pinball_score, 1, {}, "predict")
"""Scorer of :func:`d2_pinball_score` at the levels of a fitted model, for `scoring`.

For an :class:`~sknorm.MLPRegressor` with ``loss="quantile"``, at the end of a Pipeline or in a
search too, and for an ensemble of them. Of other models,
``make_scorer(d2_pinball_score, alpha=...)`` scores quantiles of given levels.
"""


def _levels(model: Any) -> tuple[float, ...]:
    """The levels of the quantiles that a model predicts, or the one that it holds."""
    outer = type(model).__name__
    while not hasattr(model, "_fitted_levels"):
        inner = [getattr(model, name) for name in _INNER if hasattr(model, name)]
        inner += [model.steps[-1][1]] if hasattr(model, "steps") else []
        if not inner:
            break
        model = inner[0]
    levels = model._fitted_levels() if hasattr(model, "_fitted_levels") else None
    if levels is None:
        raise ValueError(
            f"d2_pinball_scorer scores MLPRegressor(loss='quantile'), but this {outer} predicts no "
            "quantiles of known levels. Use make_scorer(d2_pinball_score, alpha=...)."
        )
    return levels


def _long(shape: tuple[int, ...]) -> list[int]:
    """Axes of other lengths than one."""
    return [length for length in shape if length != 1]
