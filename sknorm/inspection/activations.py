"""How the activations of each hidden layer are distributed, and which units do no work."""

from typing import Any, Self

import numpy as np
from sklearn.pipeline import Pipeline

from sknorm._typing import Integer
from sknorm.ensembles.members import best_of
from sknorm.estimators.activations import hidden_activations
from sknorm.inspection.arguments import fitted_network
from sknorm.inspection.display import Display
from sknorm.inspection.layers import Distribution, distributions, draw_rows, size_of_rows
from sknorm.inspection.style import BLUE

_NEAR = 0.01  # to the end of a bounded activation, as a share of its range
# Lower and upper ends of what activations can be; None where there is none.
_ENDS: dict[str, tuple[float | None, float | None]] = {
    "logistic": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, None),
    "elu": (-1.0, None),
    "selu": (-1.7580993408473766, None),
}


class ActivationDistributionDisplay(Display):
    """Histograms of the outputs of each hidden layer for some rows, over all members.

    As a prediction computes them: with norms folded in, and without dropout. Exact zeros are left
    out of the histograms; notes say their share, the share of saturated outputs, and that of idle
    units, which answer the same for all rows.

    Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    distributions : list of Distribution
        Counts, edges and share of zeros of each hidden layer.
    saturated : ndarray of shape (n_hidden_layers,)
        Share of outputs within one percent of an end of a bounded activation, where its slope
        vanishes; NaN for one without ends, and for residual layers, whose outputs are sums.
    idle : ndarray of shape (n_hidden_layers,)
        Share of units whose output is the same for all rows.
    activation : str
        Name of the activation.
    n_samples : int
        Rows that were looked at.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    patches_ : list of matplotlib StepPatch
        The histogram of each layer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.inspection import ActivationDistributionDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8, 4), preset="sklearn", learning_rate="cosine", max_iter=3,
    ...                       random_state=0).fit(X, y)
    >>> display = ActivationDistributionDisplay.from_estimator(model, X)
    >>> len(display.distributions), display.n_samples
    (2, 150)
    >>> display.plot()  # doctest: +SKIP
    """

    patches_: list[Any]

    def __init__(
        self,
        distributions: list[Distribution],
        saturated: np.ndarray,
        idle: np.ndarray,
        activation: str,
        n_samples: int,
    ) -> None:
        self.distributions, self.saturated, self.idle = distributions, saturated, idle
        self.activation, self.n_samples = activation, n_samples

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, max_samples: Integer = 1000) -> Self:
        """Compute the activations for rows of a table; nothing is drawn until :meth:`plot`.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, Pipeline that ends in one, or search for one
            Fitted.
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Rows as for ``predict``.
        max_samples : int, default=1000
            Of more rows, so many are taken at equal distances.

        Returns
        -------
        ActivationDistributionDisplay

        Raises
        ------
        TypeError
            If there is no network of sknorm in the estimator.
        ValueError
            If the network has no hidden layer, if ``max_samples`` is not a positive integer, or
            for the reasons of ``predict``.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        name = f"{cls.__name__}.from_estimator"
        network = fitted_network(estimator, name)
        if not isinstance(max_samples, int | np.integer) or max_samples < 1:
            raise ValueError(f"max_samples must be a positive integer, got {max_samples!r}.")
        if not network.network_.architecture.hidden:
            raise ValueError(
                f"{name} finds no hidden layer in the estimator: hidden_layer_sizes is empty."
            )
        X = _as_the_network_sees(best_of(estimator), X)
        layers = hidden_activations(network, X, name, int(max_samples))
        blocks = network.network_.architecture
        shares = [
            np.nan if blocks.residual and k and a == b else saturated(each, blocks.activation)
            for k, (each, a, b) in enumerate(
                zip(layers, blocks.sizes[:-2], blocks.sizes[1:-1], strict=True)
            )
        ]
        idle = [float(np.mean(np.ptp(each, axis=1) == 0)) for each in layers]
        rows = layers[0].shape[1]
        return cls(distributions(layers), np.array(shares), np.array(idle), blocks.activation, rows)

    @property
    def _size(self) -> tuple[float, float]:
        return size_of_rows(len(self.distributions))

    def _draw(self, ax: Any, *, alone: bool) -> None:
        count = len(self.distributions)
        ax.set_xlabel(f"Output of {self.activation}, {self.n_samples:,} rows")
        names = [f"layer {k + 1}" for k in range(count)]
        notes = [self._note(k) for k in range(count)]
        self.patches_ = draw_rows(ax, self.distributions, names, notes, [BLUE] * count)

    def _note(self, layer: int) -> str:
        lines = [f"{self.distributions[layer].zeros:.0%} zeros"]
        if self.activation != "relu" and np.isfinite(self.saturated[layer]):
            lines.append(f"{self.saturated[layer]:.0%} saturated")
        lines.append(f"{self.idle[layer]:.0%} units idle")
        return "\n".join(lines)


def _as_the_network_sees(estimator: Any, X: Any) -> Any:
    """X behind the steps of Pipelines before the network."""
    while isinstance(estimator, Pipeline):
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator.steps[-1][1]
    regressor = getattr(estimator, "regressor_", None)  # of a TransformedTargetRegressor
    return X if regressor is None else _as_the_network_sees(regressor, X)


def saturated(values: np.ndarray, activation: str) -> float:
    """Share of outputs where a bounded activation has hardly a slope."""
    low, high = _ENDS.get(activation, (None, None))
    if low is None:
        return np.nan
    near = _NEAR * ((1.0 if high is None else high) - low) if activation != "relu" else 0.0
    found = values <= low + near
    return float(np.mean(found if high is None else found | (values >= high - near)))
