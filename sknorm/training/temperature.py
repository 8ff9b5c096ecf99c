r"""Temperature scaling: how sure a network should be of its classes, by held-out rows.

One number b a network, the inverse temperature, multiplies the raw outputs of its head (Guo et al.,
2017, On calibration of modern neural networks). It has the lowest

.. math:: n \, L(b) + \tfrac{1}{2} (\log b / 0.5)^2

where L is the mean loss of n held-out rows: the second term, a normal prior, keeps b near one
where rows are few, and finite where the network is right about all of them.
"""

import math
from typing import Any

import numpy as np
from array_api_compat import device

from sknorm.data.dataset import TrainingData
from sknorm.network.network import Network
from sknorm.objective.losses import Loss
from sknorm.training.validation_loss import HeldOutLoss, loss_of, outputs

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

    The loss is computed at some temperatures, and at that where the parabola through the lowest
    value and those beside it is lowest: a fixed number of passes over the raw outputs, and no step
    that the host would have to wait for.

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
    xp, parts = network.backend.xp, list(outputs(network, data, rows))
    one = xp.ones(network.members, dtype=xp.float64, device=network.backend.device)
    values = []
    for logarithm in _LOGARITHMS.tolist():
        value, count = loss_of(network, loss, parts, math.exp(logarithm) * one)
        value = value + logarithm**2 / (2.0 * _DEVIATION**2 * count)
        values.append(xp.where(xp.isfinite(value), value, xp.inf))
    factor = xp.exp(_lowest(xp, xp.stack(values)))
    value = loss_of(network, loss, parts, factor)[0]
    good = xp.isfinite(value)
    return xp.where(good, value, xp.nan), xp.where(good, factor, xp.nan)


def _lowest(xp: Any, values: Any) -> Any:
    """The logarithms (K,) where values (T, K), none of them NaN, are lowest."""
    lowest = xp.argmin(values, axis=0)
    place = xp.clip(lowest, 1, values.shape[0] - 2)
    places = xp.arange(values.shape[0], device=device(values))[:, None]
    near = [xp.sum(xp.where(places == place + s, values, 0.0), axis=0) for s in (-1, 0, 1)]
    usable = xp.isfinite(near[0]) & xp.isfinite(near[1]) & xp.isfinite(near[2])
    below, middle, above = (xp.where(usable, each, 0.0) for each in near)
    slope, bend = 0.5 * (above - below), above - 2.0 * middle + below
    usable = usable & (bend > 0.0)
    shift = xp.clip(-slope / xp.where(usable, bend, 1.0), -1.0, 1.0)
    shift = xp.where(usable, shift, xp.astype(lowest - place, xp.float64))
    return (xp.astype(place, xp.float64) + shift) * _STEP + float(_LOGARITHMS[0])


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
