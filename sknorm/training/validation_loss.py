"""The loss on held-out rows, for all members of a stack at once."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sknorm.data.dataset import TrainingData
from sknorm.network.batch import gathered, rows_at_once
from sknorm.network.folding import fold
from sknorm.network.network import Network
from sknorm.objective.losses import Loss


class HeldOutLoss:
    """The score that is the negative loss on held-out rows; it stays on the device.

    Parameters
    ----------
    loss : Loss
    data : TrainingData
    rows : int64 array of shape (K, n)
        Held-out rows of each member of the whole stack.
    """

    def __init__(self, loss: Loss, data: TrainingData, rows: np.ndarray) -> None:
        self.loss, self.data, self.rows = loss, data, rows

    def __call__(self, network: Network, active: list[int]) -> Any:
        """Scores (K,) of the active members, which ``network`` holds."""
        return -mean_loss(network, self.loss, self.data, self.rows[active])

    def of_constant(self, network: Network, constant: np.ndarray) -> np.ndarray:
        """Scores (K,) of raw outputs (n_outputs,) that are the same for all rows."""
        backend, xp = network.backend, network.backend.xp
        raw = backend.asarray(constant, dtype=network.parameters.flat.dtype)

        def answers() -> Iterator[tuple[Any, Any, Any]]:
            for _, y, weight in parts(network, self.data, self.rows):
                shape = network.members, y.shape[1], raw.shape[0]
                yield xp.zeros(shape, dtype=raw.dtype, device=backend.device) + raw, y, weight

        return -backend.to_numpy(losses_of(network, self.loss, answers())[0][0, ...])

    def reason(self, member: int) -> str:
        """Why none of a member's scores was finite."""
        return (
            "the loss of the held-out rows overflowed. Look for outliers among them, scale the "
            "data, or lower learning_rate_init."
        )


def mean_loss(network: Network, loss: Loss, data: TrainingData, rows: np.ndarray) -> Any:
    """Weighted mean loss of each member on its rows, without penalty and label smoothing.

    Parameters
    ----------
    network : Network
    loss : Loss
    data : TrainingData
    rows : int64 array of shape (K, n)

    Returns
    -------
    float64 array of shape (K,)
        An array of the network's backend.
    """
    return losses_of(network, loss, outputs(network, data, rows))[0][0, ...]


def losses_of(
    network: Network,
    loss: Loss,
    answers: Iterable[tuple[Any, Any, Any]],
    factors: Sequence[Any] = (None,),
) -> tuple[Any, Any]:
    """The same of :func:`outputs`, (F, K), and the sums of the rows' weights, (K,) or (1,).

    Each of F factors, a number or an array of shape (K, 1, 1), multiplies the raw outputs. These
    are overwritten where there is none.
    """
    backend, xp = network.backend, network.backend.xp
    dtype, device, count = network.parameters.flat.dtype, backend.device, network.members
    values = xp.zeros((len(factors), count), dtype=xp.float64, device=device)
    no_gradient = xp.zeros(count, dtype=xp.float64, device=device)
    parameter = backend.asarray(loss.parameter(count), dtype=xp.float64)
    kernel = getattr(backend.kernels, loss.kernel)
    total: Any = 0.0
    for raw, y, weight in answers:
        no_bias = xp.zeros((count, raw.shape[2]), dtype=dtype, device=device)
        for place, factor in enumerate(factors):
            scaled = raw if factor is None else factor * raw
            given = scaled, no_bias, y, weight, no_gradient, parameter
            kernel(*given, values[place, ...], xp.zeros_like(no_bias), scaled)
        total = total + xp.sum(weight, axis=1, dtype=xp.float64)
    return values / total, total


def outputs(
    network: Network, data: TrainingData, rows: np.ndarray
) -> Iterator[tuple[Any, Any, Any]]:
    """Raw outputs (K, n, o), targets and weights of rows, see :func:`parts`."""
    inference = fold(network)
    for inputs, y, weight in parts(network, data, rows):
        yield inference.forward(inputs), y, weight


def parts(network: Network, data: TrainingData, rows: np.ndarray) -> Iterator[tuple[Any, Any, Any]]:
    """Inputs, targets (R, n, m) and weights (R, n) of rows (R, N), where R is 1 or K.

    Of so many rows at a time as are best computed together.
    """
    at_once = rows_at_once(network.backend, network.members, max(network.architecture.sizes))
    for start in range(0, rows.shape[1], at_once):
        yield gathered(network, data, rows[:, start : start + at_once])
