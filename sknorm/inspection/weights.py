"""How the weights of each layer are distributed, and how many are zero."""

from typing import Any, Self

from sknorm.inspection.arguments import fitted_network
from sknorm.inspection.display import Display
from sknorm.inspection.layers import Distribution, distributions, draw_rows, size_of_rows
from sknorm.inspection.style import BLUE, VERMILLION


class WeightDistributionDisplay(Display):
    """Histograms of the weights of each layer, as trained, over all members.

    Zeros are left out of the histograms: a note says their share. All layers share one scale, in
    whose outermost bins far weights are.

    Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    distributions : list of Distribution
        Counts, edges and share of zeros of each layer, from the input to the output.
    shapes : list of (int, int)
        Shapes of the layers' weights.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    patches_ : list of matplotlib StepPatch
        The histogram of each layer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.inspection import WeightDistributionDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8,), preset="sklearn", learning_rate="cosine", max_iter=3,
    ...                       random_state=0).fit(X, y)
    >>> display = WeightDistributionDisplay.from_estimator(model)
    >>> display.shapes
    [(4, 8), (8, 3)]
    >>> display.plot()  # doctest: +SKIP
    """

    patches_: list[Any]

    def __init__(self, distributions: list[Distribution], shapes: list[tuple[int, int]]) -> None:
        self.distributions, self.shapes = distributions, shapes

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Count the weights of a fitted estimator; nothing is drawn until :meth:`plot`.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, Pipeline that ends in one, or search for one
            Fitted.

        Returns
        -------
        WeightDistributionDisplay

        Raises
        ------
        TypeError
            If there is no network of sknorm in the estimator.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        """
        stack = fitted_network(estimator, f"{cls.__name__}.from_estimator").network_
        weights = [stack.backend.to_numpy(each) for each in stack.parameters.weights]
        shapes = [(each.shape[1], each.shape[2]) for each in weights]
        return cls(distributions(weights), shapes)

    @property
    def _size(self) -> tuple[float, float]:
        return size_of_rows(len(self.shapes))

    def _draw(self, ax: Any, *, alone: bool) -> None:
        count = len(self.shapes)
        ax.set_xlabel("Weight")
        names = [f"layer {k + 1}" for k in range(count - 1)] + ["output"]
        names = [f"{n}\n{a} × {b}" for n, (a, b) in zip(names, self.shapes, strict=True)]
        notes = [_share(each.zeros) for each in self.distributions]
        colors = [BLUE] * (count - 1) + [VERMILLION]
        self.patches_ = draw_rows(ax, self.distributions, names, notes, colors)


def _share(zeros: float) -> str:
    if zeros == 0.0:
        return "no zeros"
    return f"{max(zeros, 0.001):.1%} zeros" if zeros < 0.995 or zeros == 1.0 else "> 99% zeros"
