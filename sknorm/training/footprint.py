"""The memory that training takes beside the table, and what fits into how much of it."""

from bisect import bisect_right
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sknorm.backends import Backend
from sknorm.data.dataset import TrainingData
from sknorm.network.architecture import Architecture
from sknorm.network.layers import all_layers
from sknorm.network.layers.base import count_bytes, keeps_masks
from sknorm.network.layout import layout
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.optim import SGD
from sknorm.training.batches import Batches
from sknorm.training.plan import Plan

_WIDE = 8  # bytes of sums and statistics, which are float64, and of the indices of rows
# Arrays as large as a layer's activations, and as its weights, that portable kernels make in
# passing, at most (measured); some activations are computed in many steps.
_PASSING = {"gelu": 17, "mish": 14}
_PASSING_ELSE = 10
_PASSING_STEP = 9


@dataclass(frozen=True)
class Footprint:
    """Bytes that training takes for each network of a stack, beside the table.

    K networks take K times the bytes of one, but for the buffers of batches where networks take
    turns. The two sizes of batches that may occur have buffers of their own.

    Attributes
    ----------
    architecture : Architecture
    itemsize : int
        Bytes of a number of the compute dtype.
    slots : int
        Arrays in the layout of the parameters that the optimizer keeps: 1 of SGD, 2 of Adam.
    copies : int
        Copies of the network beside the one in training: the final and the best one; under
        averaging also the mean, and what is made of it to be compared with the final one.
    target_bytes : int or None
        Bytes of a row's targets; None is a number of the compute dtype for each output.
    rows : int
        Training rows of a network, whose order takes memory too; 0 leaves it out.
    allocates : bool
        Whether the backend's kernels make arrays in passing.
    keeps_masks : bool
        Whether steps note what dropout keeps.
    at_once : int or None
        Networks that take steps at the same time, of which alone batches are held; None is all.
    """

    architecture: Architecture
    itemsize: int
    slots: int = 2
    copies: int = 2
    target_bytes: int | None = None
    rows: int = 0
    allocates: bool = False
    keeps_masks: bool = False
    at_once: int | None = None

    @classmethod
    def of(
        cls,
        network: Network,
        members: Members,
        batches: Batches,
        data: TrainingData,
        plan: Plan,
    ) -> "Footprint":
        """The footprint of a training run."""
        backend = network.backend
        return cls(
            network.architecture,
            itemsize=_itemsize(network.parameters.flat.dtype),
            slots=1 if isinstance(plan.optimizer, SGD) else 2,
            copies=4 if plan.averaged else 2,
            target_bytes=data.y.shape[1] * _itemsize(data.y.dtype),
            rows=batches.rows.shape[1],
            allocates=backend.allocates,
            keeps_masks=keeps_masks(backend, members),
            at_once=backend.threads if backend.compiles else None,
        )

    @property
    def network_bytes(self) -> int:
        """Bytes of one network: its parameters and the statistics of its norms."""
        return self._parameters + self._statistics

    def stack_bytes(self, members: int, sizes: Collection[int]) -> int:
        """Bytes of a stack that is trained in batches of these one or two sizes."""
        own, batches = self._member_bytes, self._batches(sizes)
        return members * own + self._held(members) * batches + self._gathering(sizes)

    def largest_stack(self, budget: int, sizes: Collection[int]) -> int:
        """How many networks can be trained together within a budget in bytes; 0 if none."""
        left, own = budget - self._gathering(sizes), self._member_bytes
        batches = self._batches(sizes)
        fit = left // (own + batches)
        if self.at_once is not None and fit > self.at_once:
            fit = (left - self.at_once * batches) // own
        return max(0, fit)

    def largest_batch(self, budget: int, members: int) -> int:
        """The largest ``batch_size`` of a stack within a budget in bytes; 0 if none."""

        def needed(size: int) -> int:
            return self.stack_bytes(members, {size, max(1, size - 1)})

        # Each row has at least its input, and the output of each layer.
        widths = self.architecture.dense + sum(self.architecture.sizes[1:])
        row = self._held(members) * self.itemsize * widths
        most = budget // row
        return bisect_right(range(1, min(most, self.rows or most) + 1), budget, key=needed)

    def _held(self, members: int) -> int:
        """Networks of a stack whose batches are held."""
        return members if self.at_once is None else min(members, self.at_once)

    @property
    def _parameters(self) -> int:
        return self.itemsize * layout(self.architecture).size

    @property
    def _statistics(self) -> int:
        widths = self.architecture.sizes[1:-1]
        return 2 * _WIDE * sum(widths) if self.architecture.keeps_statistics else 0

    @property
    def _member_bytes(self) -> int:
        networks = (1 + self.copies) * self.network_bytes
        steps = (1 + self.slots) * self._parameters  # the gradient, and the optimizer's state
        return networks + steps + _WIDE * self.rows

    def _batches(self, sizes: Collection[int]) -> int:
        """Buffers of a network's batches, and what is made in passing."""
        return sum(self._batch(size) for size in sizes) + self._passing(max(sizes))

    def _batch(self, size: int) -> int:
        """Buffers of batches of one size."""
        architecture = self.architecture
        inputs, outputs = architecture.dense, architecture.sizes[-1]
        targets = outputs * self.itemsize if self.target_bytes is None else self.target_bytes
        if architecture.embedding is not None:  # the numbers stand beside the inputs
            inputs += len(architecture.embedding.bins)
        rows = size * ((inputs + 1) * self.itemsize + targets + _WIDE)
        every = all_layers(architecture)
        declared = (each.buffers(size, self.keeps_masks) for each in every)
        return rows + sum(count_bytes(each, self.itemsize) for each in declared)

    def _passing(self, size: int) -> int:
        """What portable kernels make in passing: in a block, or in the optimizer's step."""
        if not self.allocates:
            return 0
        architecture = self.architecture
        arrays = _PASSING.get(architecture.activation, _PASSING_ELSE)
        widest = max((*architecture.sizes[1:-1], architecture.sizes[-1]))
        largest = max(segment.size for segment in layout(architecture).segments.values())
        return self.itemsize * max(arrays * size * widest, _PASSING_STEP * largest)

    def _gathering(self, sizes: Collection[int]) -> int:
        """Rows of one member in float64, as portable kernels standardize them, with one-hots."""
        return 3 * _WIDE * max(sizes) * self.architecture.sizes[0] if self.allocates else 0


@contextmanager
def advising(
    network: Network, members: Members, batches: Batches, data: TrainingData, plan: Plan
) -> Iterator[None]:
    """Let training that runs out of memory say what would fit.

    Parameters
    ----------
    network : Network
        The initial weights, which are there already.
    members : Members
    batches : Batches
    data : TrainingData
    plan : Plan

    Raises
    ------
    MemoryError
        In place of one from within.
    """
    free = network.backend.free_bytes()
    try:
        yield
    except MemoryError as error:
        footprint = Footprint.of(network, members, batches, data, plan)
        advice = _advice(footprint, network.backend, network.members, batches, free)
        raise MemoryError(advice) from (error.__cause__ or error)


def _advice(
    footprint: Footprint, backend: Backend, members: int, batches: Batches, free: int | None
) -> str:
    sizes = batches.sizes
    needed = footprint.stack_bytes(members, sizes)
    what = f"{members} networks" if members > 1 else "one network"
    text = (
        f"{backend.name} ran out of memory on {backend.device}. Training {what} in batches of "
        f"{max(sizes)} rows takes about {_shown(needed)} beside the table"
    )
    if free is None:
        return f"{text}. {_other_ways(footprint, backend, 'Lower batch_size or n_members')}"
    budget = free + members * footprint.network_bytes
    text = f"{text}, and {_shown(budget)} were free"
    if needed <= budget:
        text += ", which held-out rows or other programs must have taken"
        return f"{text}. {_other_ways(footprint, backend, 'Lower batch_size or n_members')}"
    fitting = []
    if (size := footprint.largest_batch(budget, members)) > 1:
        fitting.append(f"batch_size={size}")
    if stack := footprint.largest_stack(budget, sizes):
        fitting.append(f"n_members={stack}")
    advice = f"What fits: {' or '.join(fitting)}" if fitting else "No smaller batch or stack fits"
    return f"{text}. {_other_ways(footprint, backend, advice)}"


def _other_ways(footprint: Footprint, backend: Backend, advice: str) -> str:
    """The advice, and what else takes less of this memory."""
    ways = []
    if footprint.itemsize == 8:
        ways.append("dtype='float32'")
    if backend.name != "numpy":
        ways.append("backend='numpy'")
    return advice + (f"; or set {' or '.join(ways)}." if ways else ".")


def _itemsize(dtype: object) -> int:
    """Bytes of a dtype of any library, which has its width in its name."""
    return int("".join(letter for letter in str(dtype) if letter.isdigit())) // 8


def _shown(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
