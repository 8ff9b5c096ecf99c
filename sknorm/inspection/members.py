"""The members of an ensemble: their weights, what they differ in, and how they score."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknorm.ensembles.base import BaseEnsemble
from sknorm.ensembles.members import best_of, network_of
from sknorm.estimators.curves import curves_of
from sknorm.estimators.fitted import fitted_of
from sknorm.inspection.arguments import fitted_network, refuse_class
from sknorm.inspection.display import Display
from sknorm.inspection.style import (
    BLUE,
    SMALL,
    VERMILLION,
    fit_ticks,
    page,
    plain,
    points,
    step_between,
)

_SHORT = {"learning_rate_init": "rate", "hidden_layer_sizes": "layers", "input_dropout": "in-drop"}


class EnsembleMembersDisplay(Display):
    """Weights of an ensemble's members as bars, with what they differ in, and held-out scores.

    Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    weights : ndarray of shape (n_members,)
        Shares of the members in predictions.
    params : list of dict
        What each member differs in from others.
    scores : ndarray of shape (n_members,)
        Best held-out score of each member; NaN where it is not known.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    score_ax_ : matplotlib Axes or None
        The axis of scores on top, if scores are known.
    bars_ : matplotlib BarContainer

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.inspection import EnsembleMembersDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8,), preset="sklearn", learning_rate="cosine", max_iter=3,
    ...                       n_members=3, member_space={"alpha": [1e-4, 1e-2]},
    ...                       early_stopping=True, random_state=0).fit(X, y)
    >>> display = EnsembleMembersDisplay.from_estimator(model)
    >>> round(float(display.weights.sum()), 6)
    1.0
    >>> display.plot()  # doctest: +SKIP
    """

    score_ax_: Any
    bars_: Any

    def __init__(
        self, weights: np.ndarray, params: list[dict[str, Any]], scores: np.ndarray
    ) -> None:
        self.weights, self.params, self.scores = weights, params, scores

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Look at the members of a fitted model; nothing is drawn until :meth:`plot`.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, EnsembleClassifier or EnsembleRegressor
            Fitted; or a Pipeline that ends in one, or a search for one.

        Returns
        -------
        EnsembleMembersDisplay

        Raises
        ------
        TypeError
            If the estimator is none of these.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        """
        refuse_class(estimator, f"{cls.__name__}.from_estimator")
        found = network_of(best_of(estimator))
        if isinstance(found, BaseEnsemble):
            check_is_fitted(found)
            return cls(found.weights_, *_of_models([network_of(e) for e in found.estimators_]))
        network = fitted_network(estimator, f"{cls.__name__}.from_estimator")
        return cls(network.member_weights_, network.member_params_, _scores(network))

    @property
    def _size(self) -> tuple[float, float]:
        return 6.4, min(9.0, 1.6 + 0.28 * len(self.weights))

    def _draw(self, ax: Any, *, alone: bool) -> None:
        count, self.score_ax_ = len(self.weights), None
        places = np.arange(count)
        self.bars_ = ax.barh(places, self.weights, color=BLUE, alpha=0.6)
        ax.set_xlabel("Weight", color=BLUE)
        ax.set_xlim(0.0, 1.08 * float(self.weights.max()))
        ax.set_ylim(count - 0.4, -0.6)
        if np.isfinite(self.scores).any():
            self._draw_scores(ax, places)
        most = int(0.45 * 72.0 * page(ax).get_size_inches()[0] / (0.55 * SMALL))
        labels = [_label(k, params, most) for k, params in enumerate(self.params)]
        ax.set_yticks(places, labels, fontsize=SMALL)
        width, height = points(ax)
        every = step_between(count, height, 1.25 * SMALL)
        for each in filter(None, (ax, self.score_ax_)):
            fit_ticks(each, width)
        ax.set_yticks(places[::every], labels[::every], fontsize=SMALL)

    def _draw_scores(self, ax: Any, places: np.ndarray) -> None:
        twin = self.score_ax_ = ax.twiny()
        twin.plot(self.scores, places, "D", color=VERMILLION, markersize=4, clip_on=False)
        twin.set_xlabel("Best held-out score", color=VERMILLION)
        twin.tick_params(axis="x", colors=VERMILLION)
        twin.margins(x=0.08)


def _of_models(models: Sequence[Any]) -> tuple[list[dict[str, Any]], np.ndarray]:
    """What several models differ in, and their held-out scores."""
    every = [model.get_params(deep=False) for model in models]
    differing = [n for n in every[0] if len({repr(each.get(n)) for each in every}) > 1]
    params = [{n: each[n] for n in differing if n in each} for each in every]
    known = [getattr(model, "best_validation_score_", None) for model in models]
    return params, np.array([np.nan if s is None else s for s in known], dtype=np.float64)


def _scores(network: Any) -> np.ndarray:
    """Best held-out score (K,) of each member that predicts."""
    validation, fitted = curves_of(network).validation, fitted_of(network)
    last = validation[max(0, len(validation) - network.n_iter_) :]
    best = np.where(np.isfinite(last), last, -np.inf).max(axis=0, initial=-np.inf)
    best = np.where(np.isfinite(best), best, np.nan)
    if fitted.places:
        return best[list(fitted.places)]
    members = fitted.network.members
    is_known = np.isfinite(best).sum() == members
    return best[np.isfinite(best)] if is_known else np.full(members, np.nan)


def _label(number: int, params: dict[str, Any], most: int) -> str:
    words = [f"{_SHORT.get(name, name)} {_value(value)}" for name, value in params.items()]
    return plain(f"{number}: {', '.join(words)}" if words else f"{number}", max(4, most))


def _value(value: Any) -> str:
    is_number = isinstance(value, float | np.floating)
    return f"{value:.2g}".replace("e-0", "e-") if is_number else str(value)
