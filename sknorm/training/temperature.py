r"""Temperature scaling: how sure a network should be of its classes, by held-out rows.

One number b a network, the inverse temperature, multiplies the raw outputs of its head (Guo et al.,
2017, On calibration of modern neural networks). It has the lowest

.. math:: n \, L(b) + \tfrac{1}{2} (\log b / s)^2

where L is the mean loss of n held-out rows. The second term, a prior, keeps b near one where rows
are few. Its deviation s is 0.5 below one and 0.15 above: networks are rarely less sure than they
should be, and one that is right about few rows by chance must not grow surer.
"""

import math
from typing import Any

import numpy as np
from array_api_compat import device

from sknorm.data.dataset import TrainingData
from sknorm.network.network import Network
from sknorm.objective.losses import Loss
from sknorm.training.validation_loss import HeldOutLoss, losses_of, outputs

_STEP = 0.25
_ONE = 9  # place of no temperature
_FACTORS = [math.exp((place - _ONE) * _STEP) for place in range(14)]  # from 0.1 to 2.7
_SURER, _LESS_SURE = 0.15, 0.5  # deviations of the prior


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
    values, count = losses_of(network, loss, parts, _FACTORS)
    values = xp.where(xp.isfinite(values), values, xp.inf)
    factor = xp.exp((_lowest(xp, values, count) - _ONE) * _STEP)
    own = xp.astype(factor, network.parameters.flat.dtype)[:, None, None]
    value = losses_of(network, loss, parts, [own])[0][0, ...]
    good = xp.isfinite(value)
    return xp.where(good, value, xp.nan), xp.where(good, factor, xp.nan)


def _lowest(xp: Any, losses: Any, count: Any) -> Any:
    """The place (K,) between those of losses (T, K), none of them NaN, where it is best to be.

    The parabola through three losses stands for the loss between them; the prior, which has a
    bend where there is no temperature, is added as it is.
    """
    places = xp.arange(len(_FACTORS), device=device(losses))[:, None]
    stiffness = [(_STEP / deviation) ** 2 / count for deviation in (_SURER, _LESS_SURE)]
    distance = xp.astype(places - _ONE, xp.float64)
    prior = 0.5 * distance**2 * xp.where(distance > 0.0, *stiffness)
    best = xp.argmin(losses + prior, axis=0)
    place = xp.clip(best, 1, len(_FACTORS) - 2)
    near = [xp.sum(xp.where(places == place + s, losses, 0.0), axis=0) for s in (-1, 0, 1)]
    usable = xp.isfinite(near[0]) & xp.isfinite(near[1]) & xp.isfinite(near[2])
    below, middle, above = (xp.where(usable, each, 0.0) for each in near)
    slope, bend = 0.5 * (above - below), above - 2.0 * middle + below
    distance = xp.astype(place - _ONE, xp.float64)
    surer = (distance > 0.0) | ((distance == 0.0) & (slope < 0.0))
    stiff = xp.where(surer, *stiffness)
    usable = usable & (bend + stiff > 0.0)
    shift = -(slope + stiff * distance) / xp.where(usable, bend + stiff, 1.0)
    shift = xp.where(usable, xp.clip(shift, -1.0, 1.0), xp.astype(best - place, xp.float64))
    return xp.astype(place, xp.float64) + shift


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
