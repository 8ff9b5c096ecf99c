"""The loss and the held-out scores of a training, epoch by epoch."""

from typing import Any, Self

import numpy as np

from sknorm.estimators.curves import asked_in_fit, curves_of, mean_of
from sknorm.inspection.arguments import fitted_network
from sknorm.inspection.display import Display
from sknorm.inspection.style import (
    BLUE,
    GREY,
    VERMILLION,
    fit_ticks,
    legend,
    points,
    twin_of,
)

_LINES = 8  # members that have a line each; more have a band
_STEEP = 100.0  # ratio of the largest and the smallest value from which an axis is logarithmic


class TrainingHistoryDisplay(Display):
    """Loss and held-out scores by epoch.

    Several members are thin lines, or a band from the lowest to the highest decile where there are
    more than 8, around their mean, in which a member that has left counts with its last value. A
    line marks the epoch whose weights the model has. Under
    ``scoring="loss"`` the held-out loss stands on the axis of the training loss; other scores have
    an axis on the right.

    Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    loss : ndarray of shape (n_epochs, n_members)
        Training loss without the penalty; NaN after a member has left.
    validation : ndarray of shape (n_epochs, n_members) or None
        Held-out loss if ``scoring`` is "loss", else held-out scores; None without any.
    chosen_epochs : ndarray of shape (n_members,)
        Epochs, counted from 1, whose weights each member has; NaN for an average of several.
    scoring : str
        What the held-out scores are called.
    iterations : bool, default=False
        Whether epochs are iterations of L-BFGS.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    score_ax_ : matplotlib Axes or None
        The axis of scores on the right, if there is one.
    lines_ : list of matplotlib Line2D
        The means: of the loss, and of the held-out rows if there are any.
    legend_ : matplotlib Legend or None
        None where it has no room.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.inspection import TrainingHistoryDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(preset="sklearn", early_stopping=True, max_iter=5, tol=0,
    ...                       learning_rate="cosine", random_state=0).fit(X, y)
    >>> display = TrainingHistoryDisplay.from_estimator(model)
    >>> display.loss.shape
    (5, 1)
    >>> display.plot()  # doctest: +SKIP
    """

    score_ax_: Any
    lines_: list[Any]
    legend_: Any

    def __init__(
        self,
        loss: np.ndarray,
        validation: np.ndarray | None,
        chosen_epochs: np.ndarray,
        scoring: str,
        iterations: bool = False,
    ) -> None:
        self.loss, self.validation = loss, validation
        self.chosen_epochs, self.scoring, self.iterations = chosen_epochs, scoring, iterations

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Read the history of a fitted estimator; nothing is drawn until :meth:`plot`.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, Pipeline that ends in one, or search for one
            Fitted.

        Returns
        -------
        TrainingHistoryDisplay

        Raises
        ------
        TypeError
            If there is no network of sknorm in the estimator.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        """
        network = fitted_network(estimator, f"{cls.__name__}.from_estimator")
        curves = curves_of(network)
        penalty = np.where(np.isfinite(curves.penalty), curves.penalty, 0.0)
        asked = asked_in_fit(network)
        by_loss = asked["scoring"] == "scoring='loss'"
        validation = -curves.validation if by_loss else curves.validation
        return cls(
            curves.loss - penalty,
            validation if np.isfinite(validation).any() else None,
            curves.chosen,
            "loss" if by_loss else _name(asked["scoring"]),
            asked["solver"] == "lbfgs",
        )

    def _draw(self, ax: Any, *, alone: bool) -> None:
        self.score_ax_ = None
        self.lines_ = [_draw(ax, self.loss, BLUE, "training loss")]
        ax.set_xlabel("Iteration" if self.iterations else "Epoch")
        ax.set_ylabel("Loss")
        if self.validation is not None:
            self._draw_validation(ax)
        self._scale(ax)
        marked = self._mark(ax)
        fit_ticks(ax, points(ax)[0])
        over = [self.score_ax_] if self.score_ax_ else []
        self.legend_ = legend(ax, [*self.lines_, *marked], over)

    def _draw_validation(self, ax: Any) -> None:
        assert self.validation is not None
        target, label = ax, "held-out loss"
        if self.scoring != "loss":
            label = f"held-out {self.scoring}"
            target = self.score_ax_ = twin_of(ax, f"Held-out {self.scoring}", VERMILLION)
        self.lines_.append(_draw(target, self.validation, VERMILLION, label, "--"))

    def _scale(self, ax: Any) -> None:
        """A logarithmic axis where a loss falls by orders of magnitude."""
        shown = [self.loss]
        if self.validation is not None and self.score_ax_ is None:
            shown.append(self.validation)
        values = np.concatenate([each[np.isfinite(each)] for each in shown])
        if values.size and values.min() > 0 and values.max() > _STEEP * values.min():
            ax.set_yscale("log")
        epochs = len(self.loss)
        ax.set_xlim(1 - 0.02 * epochs, epochs + 0.02 * epochs)
        ax.xaxis.get_major_locator().set_params(integer=True)

    def _mark(self, ax: Any) -> list[Any]:
        """The epoch whose weights the model has: the median of the members'."""
        chosen = self.chosen_epochs[np.isfinite(self.chosen_epochs)]
        if not chosen.size:
            return []
        low, middle, high = np.quantile(chosen, [0.0, 0.5, 1.0], method="nearest").astype(int)
        spread = f" ({low} to {high})" if low < high else ""
        text = f"chosen epoch {middle}{spread}"
        if low < high:
            ax.axvspan(low, high, color=GREY, alpha=0.15, linewidth=0)
        return [ax.axvline(middle, color=GREY, linestyle=":", linewidth=1.2, label=text)]


def _name(scoring: str) -> str:
    """What other scores are called, of the parameter as messages show it."""
    name = scoring.removeprefix("scoring=").strip("'")
    return name if name.isidentifier() and name not in ("None", "loss") else "score"


def _draw(ax: Any, values: np.ndarray, color: str, label: str, style: str = "-") -> Any:
    """Members around their mean, which is returned."""
    epochs, members = np.arange(1, len(values) + 1), values.shape[1]
    finite = np.where(np.isfinite(values), values, np.nan)
    known = np.isfinite(finite).any(axis=1)
    epochs, finite = epochs[known], finite[known]
    if members > _LINES:
        low, high = np.nanquantile(finite, [0.1, 0.9], axis=1)
        ax.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
    elif members > 1:
        ax.plot(epochs, finite, color=color, linestyle=style, linewidth=0.7, alpha=0.4)
    mean = mean_of(finite)
    label = f"{label} (mean of {members})" if members > 1 else label
    marker = "o" if len(epochs) == 1 else None
    (line,) = ax.plot(epochs, mean, color=color, linestyle=style, marker=marker, label=label)
    return line
