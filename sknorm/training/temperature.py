r"""Temperature scaling: how sure a network should be of its classes, by held-out rows.

One number b a network, the inverse temperature, multiplies the raw outputs of its head (Guo et al.,
2017, On calibration of modern neural networks). It has the lowest

.. math:: n \, L(b) + \tfrac{1}{2} (\log b / 0.5)^2

where L is the mean loss of n held-out rows: the second term, a normal prior, keeps b near one
where rows are few, and finite where the network is right about all of them.
"""

from typing import Any

import numpy as np

from sknorm.data.dataset import TrainingData
from sknorm.network.network import Network
from sknorm.objective.losses import Loss
from sknorm.training.validation_loss import HeldOutLoss, mean_losses

_STEP = 0.25
_LOGARITHMS = np.arange(-9, 5) * _STEP  # of inverse temperatures, 0.1 to 2.7
_DEVIATION = 0.5  # of the prior, of a logarithm


class CalibratedLoss(HeldOutLoss):
    """The same at the best temperature of each member.

    An epoch is then chosen by what a network knows, whatever it thinks of that (Berta et al., 2025,
    Rethinking early stopping: refine, then calibrate).
    """

    def __call__(self, network: Network, active: list[int]) -> Any:
        return -calibrated_losses(network, self.loss, self.data, self.rows[active])[0]


def calibrated_losses(
    network: Network, loss: Loss, data: TrainingData, rows: np.ndarray
) -> tuple[Any, Any]:
    """Lowest mean loss of each member on its rows, and the inverse temperature that it has there.

    The loss is computed at some temperatures, in one pass over the rows; between them, the parabola
    through the lowest value and those beside it stands for it.

    Parameters
    ----------
    network : Network
    loss : Loss
        Of probabilities.
    data : TrainingData
    rows : int64 array of shape (K, n)

    Returns
    -------
    losses, inverse_temperatures : float64 arrays of shape (K,)
        Arrays of the network's backend. Both are NaN where no loss is finite.
    """
    backend, xp = network.backend, network.backend.xp
    logarithms = backend.asarray(_LOGARITHMS)[:, None]
    values, count = mean_losses(network, loss, data, rows, np.exp(_LOGARITHMS).tolist())
    values = values + _prior(logarithms, count)
    values = xp.where(xp.isfinite(values), values, xp.inf)
    lowest = xp.argmin(values, axis=0)
    place = xp.clip(lowest, 1, len(_LOGARITHMS) - 2)
    places = xp.arange(len(_LOGARITHMS), device=backend.device)[:, None]

    def at(place: Any) -> Any:
        return xp.sum(xp.where(places == place, values, 0.0), axis=0)

    three = [at(place + shift) for shift in (-1, 0, 1)]
    usable = xp.isfinite(three[0]) & xp.isfinite(three[1]) & xp.isfinite(three[2])
    below, middle, above = (xp.where(usable, each, 0.0) for each in three)
    slope, bend = 0.5 * (above - below), above - 2.0 * middle + below
    usable = usable & (bend > 0.0)
    shift = xp.clip(-slope / xp.where(usable, bend, 1.0), -1.0, 1.0)
    shift = xp.where(usable, shift, xp.astype(lowest - place, xp.float64))
    value = xp.where(usable, middle + shift * (slope + 0.5 * bend * shift), at(lowest))
    best = (xp.astype(place, xp.float64) + shift) * _STEP + float(_LOGARITHMS[0])
    value = value - _prior(best, count)
    good = xp.isfinite(value)
    return xp.where(good, value, xp.nan), xp.where(good, xp.exp(best), xp.nan)


def calibrated(network: Network, loss: Loss, data: TrainingData, rows: np.ndarray) -> Network:
    """A copy of a stack whose heads have the inverse temperatures of its members' rows (K, n).

    Members without a finite loss stay as they are.
    """
    xp = network.backend.xp
    _, factor = calibrated_losses(network, loss, data, rows)
    factor = xp.where(xp.isfinite(factor), factor, 1.0)
    new = network.copy()
    for name in ("head.weight", "head.bias"):
        values = new[name]
        shape = (-1,) + (1,) * (values.ndim - 1)
        values[...] *= xp.astype(xp.reshape(factor, shape), values.dtype)
    return new


def _prior(logarithm: Any, count: Any) -> Any:
    """The share that each of so many rows has in the prior's term."""
    return logarithm**2 / (2.0 * _DEVIATION**2 * count)
