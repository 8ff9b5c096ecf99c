"""What all layers have in common."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.random import RandomState

from sknorm.backends import Backend
from sknorm.backends.program import Operation
from sknorm.network.architecture import Architecture
from sknorm.network.members import Members


class Buffer(NamedTuple):
    """An array that a layer needs in training.

    Attributes
    ----------
    shape : tuple of int
        Of one network; that of a stack has a leading axis of K.
    dtype : str or None
        Its dtype; None is the compute dtype.
    value : float
        What it holds at the start.
    """

    shape: tuple[int, ...]
    dtype: str | None = None
    value: float = 0.0


@dataclass(frozen=True)
class Work:
    """The arrays with which a layer computes on batches of one size, by name.

    The learned ones have the names of the segments (``weight``), their gradients a d before it
    (``dweight``), the buffers the names that the layer gives them. ``x`` is the input, ``codes``
    are the places of categories, and ``row_weight`` the weights of the rows; ``seed``, ``rate`` (of
    dropout), ``input_rate``, ``share`` (of mixup) and ``momentum`` (of norms) are the members'.
    """

    backend: Backend
    arrays: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.arrays[name]


@dataclass(frozen=True)
class Layer:
    """One layer of all networks of an architecture: what it learns, needs and computes."""

    architecture: Architecture
    index: int

    is_normalized: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What comes before the names of its parameters."""
        raise NotImplementedError

    @property
    def fan_in(self) -> int:
        return self.architecture.sizes[self.index]

    @property
    def fan_out(self) -> int:
        return self.architecture.sizes[self.index + 1]

    @property
    def vectors(self) -> dict[str, float | None]:
        """What is learned beside the weights, and its initial value; None is a drawn bias."""
        raise NotImplementedError

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one network's parameters."""
        return {
            "weight": (self.fan_in, self.fan_out),
            **dict.fromkeys(self.vectors, (self.fan_out,)),
        }

    def draw(self, random_state: RandomState) -> dict[str, np.ndarray]:
        """One network's initial parameters in float64, as scikit-learn's MLP draws them.

        Weights and biases are uniform within ``sqrt(6 / (fan_in + fan_out))`` (Glorot and
        Bengio, 2010), 2 in place of 6 under the logistic activation. Biases are drawn for every
        layer, so that the stream of random numbers does not depend on the norm.
        """
        bound = np.sqrt(self._spread / (self.fan_in + self.fan_out))
        weight = random_state.uniform(-bound, bound, (self.fan_in, self.fan_out))
        bias = random_state.uniform(-bound, bound, self.fan_out)
        vectors = {
            kind: bias if value is None else np.full(self.fan_out, value)
            for kind, value in self.vectors.items()
        }
        return {"weight": weight, **vectors}

    def buffers(self, rows: int, keeps_masks: bool) -> dict[str, Buffer]:
        """What batches of so many rows need, beside what is learned.

        ``keeps_masks`` says whether what is dropped is noted from the forward to the backward pass.
        """
        raise NotImplementedError

    @cached_property
    def picks_rows(self) -> bool:
        """Whether some of its weights are rows of categories, as they may be in the first layer."""
        categories = self.architecture.categories
        return self.index == 0 and categories is not None and categories.rows > 0

    def dense(self, weight: Any) -> Any:
        """The weights (K, d_in, d_out) that inputs are multiplied with."""
        return weight[:, : self.architecture.dense, :] if self.picks_rows else weight

    def rows_of_categories(self, backend: Backend, start: int, stop: int) -> dict[str, Any]:
        """What the kernels of categories' rows take beside arrays of the batch and the weights."""
        assert self.architecture.categories is not None
        known = self.architecture.categories.columns
        columns = np.array([column for column, _ in known], dtype=np.int64)
        place = {"first": self.architecture.dense, "start": start, "stop": stop}
        return {"columns": backend.asarray(columns), **place}

    def add_rows(self, work: "Work", z: Any, start: int, stop: int) -> list[Operation]:
        """What adds the rows of a batch's categories to columns of the product."""
        if not self.picks_rows:
            return []
        own = {**work.arrays, "rate": work["input_rate"], "z": z}
        own |= self.rows_of_categories(work.backend, start, stop)
        return [work.backend.bind("category_rows_forward", own)]

    def sum_rows(self, work: "Work", start: int, stop: int) -> list[Operation]:
        """What sums the gradient of those rows."""
        if not self.picks_rows:
            return []
        own = {**work.arrays, "rate": work["input_rate"], "dz": work["out"]}
        own |= self.rows_of_categories(work.backend, start, stop)
        return [work.backend.bind("category_rows_backward", own)]

    @property
    def column_radius(self) -> float:
        """Root mean square norm of a column of the initial weights."""
        fan_in = self.fan_in
        return float(np.sqrt(fan_in * self._spread / (fan_in + self.fan_out) / 3.0))

    @property
    def _spread(self) -> float:
        return 2.0 if self.architecture.activation == "logistic" else 6.0


def keeps_masks(backend: Backend, members: Members) -> bool:
    """Whether a stack notes what it drops: where anybody drops anything."""
    return backend.keeps_masks and bool(np.any(members.dropout > 0.0))


def no_mask(backend: Backend, members: int) -> Any:
    """In place of the masks of a block's dropout: they are not kept."""
    xp = backend.xp
    return xp.zeros((members, 0, 0), dtype=xp.uint8, device=backend.device)


def allocate(
    backend: Backend, members: int, dtype: Any, declared: Mapping[str, Buffer]
) -> dict[str, Any]:
    """The arrays of a stack that a layer has declared."""
    made = {}
    for name, (shape, own, value) in declared.items():
        kind = dtype if own is None else getattr(backend.xp, own)
        made[name] = backend.zeros((members, *shape), kind)
        if value:
            made[name][...] = value
    return made


def count_bytes(declared: Mapping[str, Buffer], itemsize: int) -> int:
    """Bytes of one network's buffers, with so many a number of the compute dtype."""
    return sum(
        math.prod(each.shape) * (np.dtype(each.dtype).itemsize if each.dtype else itemsize)
        for each in declared.values()
    )
