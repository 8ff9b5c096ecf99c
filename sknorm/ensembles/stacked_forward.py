"""Several fitted models predicted as one stack of networks."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.data.columns import Columns
from sknorm.data.table import gaps, resolve_table
from sknorm.ensembles.members import has_own_code
from sknorm.estimators.base import BaseMLP
from sknorm.estimators.fitted import fitted_of
from sknorm.estimators.overflow import check_finite
from sknorm.estimators.predictive import average, check_table
from sknorm.network.folding import FoldedNetwork, folded

_FAR = 8.0  # deviations that columns' locations may differ by before float32 loses digits
_UNLIKE = 1e6  # how many times larger a column's factor may be, likewise
_LARGE = 1 << 17  # parameters from which one pass is slower than several: caches hold one network


def stacked_forward(members: Sequence[Any], X: Any, method: str) -> Iterator[Any]:
    """Predictions of fitted models in one pass over X, before targets get their units.

    The members are of one group of :func:`stacks`, and the first checks X, for ``method``. Yields
    for each in turn, so that they are not all held, the mean over its networks
    (n_samples, n_outputs), where it was computed and in X's float dtype.
    """
    checked = check_table(members[0], X, method)
    parts = [members] if _fill_alike(members, checked) else [[member] for member in members]
    for part in parts:
        yield from _forward(part, checked)


def _forward(members: Sequence[Any], checked: Any) -> Iterator[Any]:
    """The same of a table that is checked, whose gaps the first member fills for all."""
    first = members[0]
    backend = resolve_table(checked, first.backend, first.matmul_precision)
    xp, dtype, columns = backend.xp, backend.dtype(checked.dtype), fitted_of(first).columns
    table, scaling = columns.engine_table(backend, checked), columns.scaling(backend, checked)
    raw = joined(members, backend).raw(table, scaling)
    start = 0
    for member in members:
        stop = start + member.network_.members
        own = xp.astype(raw[start:stop, ...], dtype, copy=False)
        mean = average(fitted_of(member), own, backend, xp)
        check_finite(fitted_of(member), checked, mean)
        yield mean
        start = stop


def _fill_alike(members: Sequence[Any], checked: Any) -> bool:
    """Whether all members see the same number in the place of each that is missing, if any is."""
    first, *others = [fitted_of(member).columns for member in members]
    return not gaps(checked) or all(each.fills_as(first) for each in others)


def stacks(members: Sequence[Any]) -> list[list[int]]:
    """Positions of the models that are best predicted in one pass.

    A Pipeline, and a model with methods of its own, is on its own.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, member in enumerate(members):
        key = _signature(member, place)
        group = groups.setdefault(key, [place])
        if group[0] == place:
            continue
        if _near(fitted_of(member).columns, fitted_of(members[group[0]]).columns):
            group.append(place)
        else:
            groups[place] = [place]
    return list(groups.values())


def _signature(member: Any, place: int) -> Hashable:
    """What models have in common that can be predicted in one pass; its place, if it is not."""
    if not isinstance(member, BaseMLP) or has_own_code(member):
        return place
    network, columns = member.network_, fitted_of(member).columns
    if fitted_of(member).weights:  # of which a mean of all knows nothing
        return place
    if network.parameters.flat.shape[0] >= _LARGE * network.members:
        return place
    architecture = network.architecture
    if not (columns.is_linear and columns.are_inputs):
        return place
    fixed: Hashable = None
    if architecture.normalization == "layer":  # has no place for another scaling
        fixed = (architecture.norm_epsilon, columns.offset.tobytes(), columns.factor.tobytes())
    shape = architecture.sizes, architecture.activation, architecture.residual, fixed
    return shape, network.parameters.flat.dtype, member.backend, member.matmul_precision


def _near(own: Columns, other: Columns) -> bool:
    """Whether inputs under another scaling keep the digits that they have under their own."""
    if own.scales_as(other):
        return True
    with np.errstate(over="ignore"):  # infinity is far, too
        distance = np.abs(own.offset - other.offset) * own.factor
        ratio = own.factor / other.factor
    return bool(distance.max() <= _FAR and ratio.max() <= _UNLIKE)


def joined(members: Sequence[Any], backend: Backend) -> FoldedNetwork:
    """The networks of several models in one stack, for inputs as the first model scales them."""
    columns = fitted_of(members[0]).columns
    parts = [_rescaled(folded(m.network_, backend), fitted_of(m).columns, columns) for m in members]

    def joint(arrays: Iterator[tuple]) -> list[Any]:
        return [backend.xp.concat(layer, axis=0) for layer in arrays]

    return replace(
        parts[0],
        weights=joint(zip(*(part.weights for part in parts), strict=True)),
        biases=joint(zip(*(part.biases for part in parts), strict=True)),
        scales=joint(zip(*(part.scales for part in parts), strict=True)),
    )


def _rescaled(network: FoldedNetwork, own: Columns, other: Columns) -> FoldedNetwork:
    r"""The same function of inputs under another scaling, which goes into the first layer.

    .. math:: (x - o) f = \tfrac{f}{f'} (x - o') f' + (o' - o) f
    """
    if own.scales_as(other):
        return network
    ratio, shift = own.factor / other.factor, (other.offset - own.offset) * own.factor
    backend, xp = network.backend, network.backend.xp
    weight, bias = (xp.astype(a[0], xp.float64) for a in (network.weights, network.biases))
    bias = bias + xp.sum(weight * backend.asarray(shift[:, None]), axis=1)
    weight, dtype = weight * backend.asarray(ratio[:, None]), network.weights[0].dtype
    return replace(
        network,
        weights=[xp.astype(weight, dtype), *network.weights[1:]],
        biases=[xp.astype(bias, dtype), *network.biases[1:]],
    )
