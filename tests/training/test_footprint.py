"""The memory of training: what is computed of it is what is allocated, and what fits is told."""

import tracemalloc
from dataclasses import replace
from typing import Any

import array_api_compat.numpy as compat_numpy
import numpy as np
import pytest

from sknorm.backends import Backend, resolve
from sknorm.backends.numpy import NumpyBackend
from sknorm.backends.portable import PortableBackend
from sknorm.data.dataset import TrainingData
from sknorm.data.scaling import Scaling
from sknorm.network.architecture import Architecture
from sknorm.network.members import Members
from sknorm.network.network import Network, initialize
from sknorm.objective.losses import MulticlassLogLoss, SquaredError
from sknorm.objective.penalties import ElasticNet
from sknorm.optim import SGD, Adam, schedules
from sknorm.training.batches import Batches
from sknorm.training.footprint import Footprint, advising
from sknorm.training.plan import Plan
from sknorm.training.task import Task

ADAM = Adam(0.9, 0.999, 1e-8, False)
PLAN = Plan(SquaredError(), ElasticNet, ADAM, 2, 0.0, 10, None, "running")
SHORT = replace(PLAN, max_iter=1)
BASE = Architecture((30, 200, 120, 4), "relu", "batch", 1e-5, True, 16)
# One factor at a time: architecture, plan, members, rows, rows of a batch, dtype.
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "one network": {"members": 1},
    "eight networks": {"members": 8},
    "float32": {"dtype": "float32"},
    "one size of batches": {"rows": 300},
    "few batches": {"rows": 150},
    "ghost": {"architecture": replace(BASE, normalization="ghost")},
    "layer": {"architecture": replace(BASE, normalization="layer")},
    "no norm": {"architecture": replace(BASE, normalization=None)},
    "no scales": {"architecture": replace(BASE, norm_affine=False), "batch_size": 10},
    "residual": {"architecture": replace(BASE, sizes=(30, 150, 150, 150, 2), residual=True)},
    "linear": {"architecture": replace(BASE, sizes=(500, 40))},
    "wide table": {"architecture": replace(BASE, sizes=(900, 64, 3))},
    "sgd": {"plan": replace(PLAN, optimizer=SGD(0.9, True))},
    "averaged": {
        "plan": replace(PLAN, averaged=0.5), "architecture": replace(BASE, normalization="layer"),
    },
    "dropout": {"dropout": 0.1},
    "dropout without a norm": {
        "dropout": 0.1, "dtype": "float32", "architecture": replace(BASE, normalization=None),
    },
    "classes": {"plan": replace(PLAN, loss=MulticlassLogLoss(4))},
    "long table": {"rows": 4000},
}  # fmt: skip


class Run:
    """A training run that has not begun."""

    def __init__(
        self,
        backend: Backend,
        architecture: Architecture = BASE,
        plan: Plan = PLAN,
        members: int = 3,
        rows: int = 310,
        batch_size: int = 100,
        dtype: str = "float64",
        dropout: float = 0.0,
    ) -> None:
        self.backend, self.architecture, self.dtype = backend, architecture, dtype
        self.states = [np.random.RandomState(k) for k in range(members)]
        self.plan = plan
        zeros = np.zeros(members)
        self.members = Members(
            zeros, zeros, zeros + dropout, zeros, zeros, zeros, zeros, zeros + 1e-3, zeros + 0.1,
            np.arange(members, dtype=np.uint32),
        )  # fmt: skip
        order = np.tile(np.arange(rows, dtype=np.int64), (members, 1))
        self.batches = Batches(order, batch_size, True, self.states)
        inputs, outputs = architecture.sizes[0], architecture.sizes[-1]
        y = np.zeros((rows, outputs), dtype=dtype)
        if isinstance(plan.loss, MulticlassLogLoss):
            y = np.zeros((rows, 1), dtype=np.int64)
        table = np.random.default_rng(0).normal(size=(rows, inputs)).astype(dtype)
        scaling = Scaling(*map(backend.asarray, (np.zeros((1, inputs)), np.ones((1, inputs)))))
        arrays = map(backend.asarray, (table, y, np.ones((1, rows), dtype)))
        self.data = TrainingData(*arrays, scaling)

    def network(self) -> Network:
        return initialize(self.backend, self.architecture, self.states, np.dtype(self.dtype))

    def footprint(self, network: Network) -> Footprint:
        return Footprint.of(network, self.members, self.batches, self.data, self.plan)

    def train(self, network: Network) -> None:
        schedule = schedules.build("constant", self.members.learning_rate_init, 0.5, 100)
        Task(network, self.members, self.batches, self.data, schedule, self.plan).run()

    def peak(self) -> int:
        """Bytes allocated at most, from before the network is drawn.

        What else the process allocates meanwhile adds to it, so the least of three trainings
        counts.
        """
        self.train(self.network())  # compiles, and fills caches
        return min(self._peak() for _ in range(3))

    def _peak(self) -> int:
        tracemalloc.start()
        try:
            self.train(self.network())
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("name", CASES)
def test_footprints_are_what_is_allocated(name: str) -> None:
    run = Run(resolve(None), **CASES[name])
    expected = run.footprint(run.network()).stack_bytes(len(run.members), run.batches.sizes)
    assert expected == pytest.approx(run.peak(), rel=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_footprints_of_random_networks_are_what_is_allocated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hidden = rng.integers(40, 250, rng.integers(1, 4)).tolist()
    sizes = (int(rng.integers(10, 200)), *hidden, int(rng.integers(1, 6)))
    norm = ["batch", "ghost", "layer", None][rng.integers(4)]
    architecture = replace(BASE, sizes=sizes, normalization=norm, norm_affine=bool(seed % 2))
    run = Run(
        resolve(None), architecture, members=int(rng.integers(1, 9)),
        rows=int(rng.integers(100, 900)), batch_size=int(rng.integers(30, 200)),
    )  # fmt: skip
    expected = run.footprint(run.network()).stack_bytes(len(run.members), run.batches.sizes)
    assert expected == pytest.approx(run.peak(), rel=0.05)


@pytest.mark.parametrize(
    ("backend", "bytes_each"), [(resolve(None), 1), (PortableBackend(compat_numpy, "cpu"), 0)]
)
def test_masks_take_memory_where_somebody_drops(backend: Backend, bytes_each: int) -> None:
    runs = [Run(backend, members=1, dropout=rate) for rate in (0.0, 0.1)]
    nobody, everybody = (run.footprint(run.network()).stack_bytes(1, {100}) for run in runs)
    assert everybody - nobody == bytes_each * 100 * (200 + 120)


@pytest.mark.parametrize(
    ("activation", "dtype"),
    [("relu", "float32"), ("elu", "float64"), ("gelu", "float32"), ("mish", "float64")],
)
def test_portable_kernels_take_no_more_than_is_said(activation: str, dtype: str) -> None:
    """Those that are allocated in passing are an upper bound, but not beyond reason."""
    for normalization in ("batch", "layer", None):
        architecture = replace(BASE, activation=activation, normalization=normalization)
        run = Run(PortableBackend(compat_numpy, "cpu"), architecture, SHORT, rows=160, dtype=dtype)
        said = run.footprint(run.network()).stack_bytes(len(run.members), run.batches.sizes)
        assert 0.97 < said / run.peak() < 1.7


@pytest.mark.parametrize("allocates", [False, True])
@pytest.mark.parametrize("sizes", [{100}, {64, 63}])
def test_the_largest_stack_fits_and_one_more_does_not(allocates: bool, sizes: set[int]) -> None:
    footprint = Footprint(BASE, 4, rows=5000, allocates=allocates)
    one = footprint.stack_bytes(1, sizes)
    assert footprint.largest_stack(one, sizes) == 1
    assert footprint.largest_stack(one - 1, sizes) == footprint.largest_stack(0, sizes) == 0
    for budget in (10**7, 10**8 + 1, 10**10):
        most = footprint.largest_stack(budget, sizes)
        assert most > 0
        assert footprint.stack_bytes(most, sizes) <= budget
        assert footprint.stack_bytes(most + 1, sizes) > budget


@pytest.mark.parametrize("rows", [0, 10**6])
@pytest.mark.parametrize("normalization", ["batch", "ghost", "layer"])
def test_the_largest_batch_fits_and_one_row_more_does_not(rows: int, normalization: str) -> None:
    footprint = Footprint(replace(BASE, normalization=normalization), 8, slots=1, rows=rows)
    for budget in (10**8, 10**9):
        size = footprint.largest_batch(budget, 4)
        assert size > 1
        assert footprint.stack_bytes(4, {size, size - 1}) <= budget
        assert footprint.stack_bytes(4, {size + 1, size}) > budget
    assert footprint.largest_batch(footprint.stack_bytes(4, {1}) - 1, 4) == 0
    assert Footprint(BASE, 8, rows=50).largest_batch(10**12, 1) == 50  # no more than there are


class Full:
    """The namespace of a library that has no memory left for new arrays."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def zeros(self, *arguments: Any, **options: Any) -> Any:
        raise MemoryError("out of it")


class Small(NumpyBackend):
    """The host with this much memory free, none of which is to be had."""

    def __init__(self, free: int | None, name: str = "numpy") -> None:
        self.free, self.name = free, name

    xp: Any = Full()

    def free_bytes(self) -> int | None:
        return self.free


def message(free: int | None, name: str = "numpy", **changed: Any) -> str:
    """What training says that does not find the memory it needs."""
    run = Run(resolve(None), **changed)
    network = run.network()
    network.backend = Small(free, name)
    schedule = schedules.build("constant", run.members.learning_rate_init, 0.5, 100)
    parts = network, run.members, run.batches, run.data, run.plan
    with pytest.raises(MemoryError) as raised, advising(*parts):
        Task(network, run.members, run.batches, run.data, schedule, run.plan).run()
    assert str(raised.value.__cause__) == "out of it"
    return str(raised.value)


def needed(sizes: set[int], **changed: Any) -> tuple[int, int]:
    """Bytes of a run, and those of its initial weights."""
    run = Run(resolve(None), **changed)
    footprint = run.footprint(run.network())
    members = len(run.members)
    return footprint.stack_bytes(members, sizes), members * footprint.network_bytes


def test_what_fits_is_told() -> None:
    total, there = needed({50, 49})
    text = message(total - there)
    assert "numpy ran out of memory on cpu. Training 3 networks in batches of 78 rows" in text
    assert f"{total / 1e6:.1f} MB were free" in text and "What fits: batch_size=50" in text
    assert "dtype='float32'" in text and "backend=" not in text
    total, there = needed({78, 77}, members=2)
    assert " or n_members=2; or set" in message(total, members=3)
    assert "n_members" not in message(total // 3, members=1)


def test_what_takes_less_is_told_where_nothing_fits() -> None:
    text = message(1000, "cupy", dtype="float32")
    assert "No smaller batch or stack fits; or set backend='numpy'." in text
    assert "or set dtype='float32' or backend='numpy'" in message(1000, "cupy")
    assert message(1000, dtype="float32").endswith("No smaller batch or stack fits.")


def test_memory_that_should_have_been_enough_is_told() -> None:
    text = message(10**11)
    assert "which held-out rows or other programs must have taken. Lower batch_size or" in text


def test_memory_that_nobody_knows_of_is_not_told() -> None:
    text = message(None)
    assert "were free" not in text and "takes about" in text
    assert "beside the table. Lower batch_size or n_members" in text


def test_other_errors_pass() -> None:
    run = Run(resolve(None))
    with (
        pytest.raises(ZeroDivisionError),
        advising(run.network(), run.members, run.batches, run.data, PLAN),
    ):
        raise ZeroDivisionError
