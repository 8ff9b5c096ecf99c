"""A regularization path: which features matter at which strength of the penalty."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from sknorm._typing import Integer, Numbers
from sknorm.inspection.display import Display
from sknorm.inspection.style import COLORS, GREY, SMALL, ink, legend, plain, twin_of
from sknorm.model_selection.path import RegularizationPath

_STYLES = ("-", "--", "-.")


class RegularizationPathDisplay(Display):
    """Importances of the features over alpha, from the strongest penalty on the left.

    The most important features have colours and names, and the others are grey. The axis on top
    counts the features that are active, and the one on the right has scores, where they are known.
    A line marks the alpha of the best score.

    Use :meth:`from_path` to make one.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
    importances : ndarray of shape (n_alphas, n_features)
        ``feature_importances_`` of each model; zero for features that are not active.
    active_counts : int ndarray of shape (n_alphas,)
        Number of active features.
    scores : ndarray of shape (n_alphas,) or None
    feature_names : list of str
    n_named : int
        How many features have names in the picture.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    score_ax_, count_ax_ : matplotlib Axes or None
        The axes of scores and of counts.
    lines_ : list of matplotlib Line2D
        One for each feature.
    legend_ : matplotlib Legend or None
        None where it has no room, or nothing to say.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sknorm import MLPRegressor, regularization_path
    >>> from sknorm.inspection import RegularizationPathDisplay
    >>> X, y = make_friedman1(200, n_features=6, random_state=0)
    >>> model = MLPRegressor(hidden_layer_sizes=(8,), preset="sklearn", penalty="group_lasso",
    ...                      tol=1e-2, random_state=0)
    >>> path = regularization_path(model, X, y, alphas=[0.3, 0.1])
    >>> display = RegularizationPathDisplay.from_path(path)
    >>> display.importances.shape
    (2, 6)
    >>> display.plot()  # doctest: +SKIP
    """

    score_ax_: Any
    count_ax_: Any
    lines_: list[Any]
    legend_: Any

    def __init__(
        self,
        alphas: np.ndarray,
        importances: np.ndarray,
        active_counts: np.ndarray,
        scores: np.ndarray | None,
        feature_names: list[str],
        n_named: int = 8,
    ) -> None:
        self.alphas, self.importances, self.active_counts = alphas, importances, active_counts
        self.scores, self.feature_names, self.n_named = scores, feature_names, n_named

    @classmethod
    def from_path(
        cls,
        path: RegularizationPath,
        *,
        scores: Numbers | None = None,
        feature_names: Sequence[str] | None = None,
        n_named: Integer = 8,
    ) -> Self:
        """Read the models of a path; nothing is drawn until :meth:`plot`.

        Parameters
        ----------
        path : RegularizationPath
        scores : array-like of shape (n_alphas,), default=None
            Scores of the models, such as on test rows; higher is better. None takes those of the
            held-out rows, with ``early_stopping=True``.
        feature_names : sequence of str, default=None
            None takes the columns' names, or numbers.
        n_named : int, default=8
            How many features have colours and names.

        Returns
        -------
        RegularizationPathDisplay

        Raises
        ------
        TypeError
            If ``path`` is no RegularizationPath.
        ValueError
            If there are not as many scores as alphas, or names as features, or if ``n_named`` is
            negative.
        """
        if not isinstance(path, RegularizationPath):
            raise TypeError(
                f"{cls.__name__}.from_path takes what sknorm.regularization_path returns, got "
                f"{type(path).__name__}."
            )
        importances = np.stack([model.feature_importances_ for model in path.estimators])
        count = importances.shape[1]
        names = _names(path, feature_names, count)
        if n_named < 0:
            raise ValueError(f"n_named must not be negative, got {n_named!r}.")
        importances = np.where(path.active, importances, 0.0)
        known = _scores(path, scores)
        return cls(path.alphas, importances, path.active.sum(axis=1), known, names, int(n_named))

    @property
    def chosen(self) -> int | None:
        """Position of the alpha with the best score; None without scores."""
        if self.scores is None or not np.isfinite(self.scores).any():
            return None
        return int(np.nanargmax(np.where(np.isfinite(self.scores), self.scores, np.nan)))

    @property
    def _size(self) -> tuple[float, float]:
        return 7.2, 4.8

    def _draw(self, ax: Any, *, alone: bool) -> None:
        self.score_ax_, self.legend_ = None, None
        named = self._draw_features(ax)
        ax.set(xlabel="alpha", ylabel="Feature importance", xscale="log")
        ax.set_ylim(bottom=0.0)
        if len(self.alphas) > 1:
            ax.set_xlim(self.alphas.max(), self.alphas.min())  # as the path goes
        handles = [*named, *self._draw_scores(ax)]
        self._count(ax)
        if handles and alone:
            self.legend_ = self.figure_.legend(
                handles=handles, loc="outside right upper", fontsize=SMALL
            )
        elif handles:
            over = [each for each in (self.score_ax_, self.count_ax_) if each]
            self.legend_ = legend(ax, handles, over)

    def _draw_features(self, ax: Any) -> list[Any]:
        """Lines of all features; returns those that have names, the most important first."""
        peak = self.importances.max(axis=0)
        first = np.argsort(-peak, kind="stable")[: self.n_named]
        order = [j for j in first.tolist() if peak[j] > 0]
        self.lines_, marker = [], "o" if len(self.alphas) == 1 else None
        for j, name in enumerate(self.feature_names):
            place = order.index(j) if j in order else None
            color = GREY if place is None else COLORS[place % len(COLORS)]
            style = "-" if place is None else _STYLES[place // len(COLORS) % len(_STYLES)]
            (line,) = ax.plot(
                self.alphas, self.importances[:, j], style, color=color, marker=marker,
                linewidth=0.7 if place is None else 1.6, alpha=0.5 if place is None else 1.0,
                zorder=2 if place is None else 3, label=plain(name, 18),
            )  # fmt: skip
            self.lines_.append(line)
        return [self.lines_[j] for j in order]

    def _draw_scores(self, ax: Any) -> list[Any]:
        chosen = self.chosen
        if self.scores is None or chosen is None:
            return []
        twin = self.score_ax_ = twin_of(ax, "Score", ink())
        drawn = twin.plot(
            self.alphas, self.scores, ":", color=ink(), marker=".", markersize=4, label="score"
        )
        mark = twin.axvline(
            self.alphas[chosen], color=GREY, linestyle="--", linewidth=1.0,
            label=f"best score, alpha {self.alphas[chosen]:.3g}",
        )  # fmt: skip
        return [*drawn, mark]

    def _count(self, ax: Any) -> None:
        """How many features are active, on top, at a few of the alphas."""
        top = self.count_ax_ = ax.twiny()
        top.set_xscale("log")
        top.set_xlim(ax.get_xlim())
        every = -(-len(self.alphas) // 8)
        places = self.alphas[::every]
        top.set_xticks(places, [str(n) for n in self.active_counts[::every]])
        top.set_xticks([], minor=True)
        top.set_xlabel("Active features")


def _names(path: RegularizationPath, given: Sequence[str] | None, count: int) -> list[str]:
    if given is not None:
        if isinstance(given, str) or len(given) != count:
            raise ValueError(
                f"feature_names must be one name for each of the {count} features, got {given!r}."
                if isinstance(given, str)
                else f"feature_names must be {count} names, one for each feature, got {len(given)}."
            )
        return [str(name) for name in given]
    known = getattr(path.estimators[0], "feature_names_in_", None)
    return [f"x{j}" for j in range(count)] if known is None else [str(name) for name in known]


def _scores(path: RegularizationPath, given: Numbers | None) -> np.ndarray | None:
    count = len(path.alphas)
    if given is not None:
        values = np.asarray(given, dtype=np.float64)
        if values.shape != (count,):
            raise ValueError(
                f"scores must be one number for each of the {count} alphas, got an array of shape "
                f"{values.shape}."
            )
        return values
    known = [model.best_validation_score_ for model in path.estimators]
    if all(score is None for score in known):
        return None
    return np.array([np.nan if score is None else score for score in known], dtype=np.float64)
