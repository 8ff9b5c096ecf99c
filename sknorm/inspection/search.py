"""The results of a search over one or two of its parameters."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from sknorm.inspection import grid
from sknorm.inspection.arguments import refuse_class
from sknorm.inspection.candidates import SIMPLER, Axis, Cells, axis_of, cells_of, simplest, varying
from sknorm.inspection.display import Display

_SPARSE = 0.5  # share of cells with a candidate below which candidates are points


class SearchResultsDisplay(Display):
    """Scores of a search's candidates over two parameters, or over one.

    Two parameters make a heat map with the scores in its cells; fits that failed are hatched. One
    makes a curve with one standard error of the mean over the folds on either side. Where most
    pairs of values were not tried, as in a randomized search, candidates are points. Each value
    has the best candidate that the other parameters make of it.

    The best candidate is marked, and the simplest of those within one standard error of it
    (Breiman et al., 1984, Classification and regression trees).

    Use :meth:`from_search` to make one.

    Parameters
    ----------
    x, y : Axis
        The parameters with their values; y is None for a curve.
    cells : Cells
        Candidates, scores and standard errors, arrays of shape (n_y, n_x).
    best : tuple of int or None
        Row and column of the best cell; None if all fits failed.
    choice : tuple of int or None
        Row and column of the simplest cell within one standard error of the best.
    others : list of str
        Parameters that vary and are not shown.
    score_name : str

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    colorbar_ : matplotlib Colorbar or None
    texts_ : list of matplotlib Text
        Scores in the cells; empty where they have no room.
    legend_ : matplotlib Legend or None
        None where it has no room.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.inspection import SearchResultsDisplay
    >>> from sknorm.model_selection import StackedGridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8,), preset="sklearn", learning_rate="cosine", max_iter=3,
    ...                       random_state=0)
    >>> grid = {"alpha": [1e-4, 1e-2, 1.0], "dropout": [0.0, 0.2]}
    >>> search = StackedGridSearchCV(model, grid, cv=2).fit(X, y)
    >>> display = SearchResultsDisplay.from_search(search, x="alpha", y="dropout")
    >>> display.cells.scores.shape
    (2, 3)
    >>> display.plot()  # doctest: +SKIP
    """

    colorbar_: Any
    texts_: list[Any]
    legend_: Any

    def __init__(
        self,
        x: Axis,
        y: Axis | None,
        cells: Cells,
        best: tuple[int, int] | None,
        choice: tuple[int, int] | None,
        others: list[str],
        score_name: str,
    ) -> None:
        self.x, self.y, self.cells, self.best, self.choice = x, y, cells, best, choice
        self.others, self.score_name = others, score_name

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        x: str | None = None,
        y: str | None = None,
        score: str | None = None,
        simpler: Mapping[str, str] | None = None,
    ) -> Self:
        """Read ``cv_results_`` of a search; nothing is drawn until :meth:`plot`.

        Parameters
        ----------
        search : StackedGridSearchCV, StackedRandomizedSearchCV, or a search of scikit-learn
            Fitted. One that has ended early will do.
        x, y : str, default=None
            Names of parameters, as in ``cv_results_["params"]``. With one name, the picture
            is a curve; without any, it has the first two of which several values were tried.
        score : str, default=None
            Which of several scorers; None is the one that ``refit`` names.
        simpler : dict of str to {"larger", "smaller"}, default=None
            Whether the model is simpler the larger or the smaller a parameter is, besides those
            for which that is known, such as ``alpha``, ``dropout`` and ``hidden_layer_sizes``.

        Returns
        -------
        SearchResultsDisplay

        Raises
        ------
        TypeError
            If ``search`` is no search.
        ValueError
            If the search is not fitted, or a name is not one of its parameters or scorers.
        """
        refuse_class(search, f"{cls.__name__}.from_search")
        table = _table(search)
        by = _scorer(search, table, score)
        params = table["params"]
        names = varying(params)
        x, y = _chosen_names(x, y, names, params)
        axes = axis_of(x, params), axis_of(y, params) if y else None
        cells = cells_of(*axes, params, table, by)
        rule = {**SIMPLER, **_checked_rule(simpler, [x, y] if y else [x])}
        best = _best(cells, np.asarray(table[f"rank_test_{by}"]))
        choice = _within_one_error(axes, cells, best, rule)
        others = [name for name in names if name not in (x, y)]
        return cls(*axes, cells, best, choice, others, _score_name(search, by))

    @property
    def threshold(self) -> float:
        """The best score less its standard error; NaN if either is not known."""
        if self.best is None:
            return np.nan
        return float(self.cells.scores[self.best] - self.cells.standard_errors[self.best])

    def _draw(self, ax: Any, *, alone: bool) -> None:
        self.legend_, self.colorbar_, self.texts_ = None, None, []
        if self.y is None:
            grid.draw_curve(ax, self)
        elif self.is_sparse:
            self.colorbar_ = grid.draw_points(ax, self)
        else:
            self.colorbar_, self.texts_ = grid.draw_cells(ax, self)

    @property
    def is_sparse(self) -> bool:
        """Whether so few of many pairs of values were tried that candidates are points."""
        known = self.cells.candidates >= 0
        return known.size > 25 and bool(known.mean() < _SPARSE)


def _table(search: Any) -> dict[str, Any]:
    table = getattr(search, "cv_results_", None)
    if isinstance(table, dict) and "params" in table:
        if not any(name.startswith("mean_test_") for name in table):
            raise ValueError("cv_results_ of the search has no scores, no 'mean_test_...' entry.")
        return table
    kind = type(search).__name__
    if callable(getattr(search, "fit", None)) and hasattr(search, "refit"):
        raise ValueError(f"This {kind} is not fitted yet. Call 'fit' before looking at results.")
    raise TypeError(
        "SearchResultsDisplay.from_search takes a fitted StackedGridSearchCV or "
        f"StackedRandomizedSearchCV, or a search of scikit-learn, got {kind}."
    )


def _scorer(search: Any, table: dict[str, Any], score: str | None) -> str:
    """The name of a scorer in the table's entries."""
    names = [n.removeprefix("mean_test_") for n in table if n.startswith("mean_test_")]
    if score is None:
        score = search.refit if search.refit in names else names[0]
        if len(names) > 1 and search.refit not in names:
            raise ValueError(f"The search has several scorers: set score to one of {names}.")
    if score not in names:
        raise ValueError(f"score must be one of the search's scorers, {names}, got {score!r}.")
    return score


def _score_name(search: Any, by: str) -> str:
    if by != "score":
        return by
    scoring = getattr(search, "scoring", None)
    return scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")


def _chosen_names(
    x: str | None, y: str | None, names: list[str], params: list[Mapping[str, Any]]
) -> tuple[str, str | None]:
    """The names of both axes: those that were asked for, else those that vary together."""
    known = list(dict.fromkeys(name for each in params for name in each))
    for argument, name in (("x", x), ("y", y)):
        if name is not None and name not in known:
            raise ValueError(
                f"{argument}={name!r} is no parameter of the search, which has {known}."
            )
    if x is not None and x == y:
        raise ValueError(f"x and y must be different parameters, both are {x!r}.")
    if x is None and y is None:
        x = (names or known)[0]
        y = next((name for name in names if name != x and _together(x, name, params)), None)
    elif x is None:
        x, y = y, None
    assert x is not None
    if y is not None and not _together(x, y, params):
        raise ValueError(f"No candidate of the search has both {x!r} and {y!r}.")
    return x, y


def _together(x: str, y: str, params: list[Mapping[str, Any]]) -> bool:
    return any(x in each and y in each for each in params)


def _checked_rule(simpler: Mapping[str, str] | None, names: list[str]) -> Mapping[str, str]:
    for name, way in (simpler or {}).items():
        if name not in names:
            raise ValueError(f"simpler names {name!r}, but the picture shows {names}.")
        if way not in ("larger", "smaller"):
            raise ValueError(f"simpler[{name!r}] must be 'larger' or 'smaller', got {way!r}.")
    return simpler or {}


def _best(cells: Cells, rank: np.ndarray) -> tuple[int, int] | None:
    """The cell with the candidate of the best rank."""
    finite = np.isfinite(cells.scores)
    if not finite.any():
        return None
    place = np.argmin(np.where(finite, rank[cells.candidates], np.inf))
    row, column = np.unravel_index(place, finite.shape)
    return int(row), int(column)


def _within_one_error(
    axes: tuple[Axis, Axis | None],
    cells: Cells,
    best: tuple[int, int] | None,
    rule: Mapping[str, str],
) -> tuple[int, int] | None:
    if best is None or not np.isfinite(cells.standard_errors[best]):
        return None
    near = cells.scores >= cells.scores[best] - cells.standard_errors[best]
    near &= cells.folds >= cells.folds[best]  # those that left a race were not as good
    return simplest([each for each in axes if each], near, cells.scores, rule)
