"""Small tables for estimators, read-only, and small problems for the engine."""

import os

# Before SciPy is imported: scikit-learn's checks of array-API input run only with it.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import gc
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zlib import crc32

import hypothesis
import numpy as np
import pytest
from places import PLACES, placing
from sklearn import config_context
from sklearn.datasets import make_classification, make_regression

from sknorm.backends import resolve
from sknorm.data.dataset import TrainingData
from sknorm.data.scaling import Scaling
from sknorm.data.table import CodedRows
from sknorm.network.architecture import Architecture, Categories, Embedding
from sknorm.network.members import Members
from sknorm.network.network import Network, initialize
from sknorm.network.parameters import Parameters, zeros_like
from sknorm.objective.losses import Loss
from sknorm.training.gradient import Batch, BatchGradient, Results

# Scripts that type checkers read; one of them is wrong on purpose.
collect_ignore = ["annotations/right.py", "annotations/wrong.py"]

# It adds to the methods that scikit-learn routes metadata to, which requests made before it lack.
with suppress(ImportError):
    import imblearn  # noqa: F401

# Examples are drawn the same way on each run, and may take their time on a busy machine.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

# Each part of the package has some of its cheap tests here: `pytest -m fast`.
FAST = {
    "test_imports", "test_warnings", "test_functional_errors", "test_functional_merge",
    "test_metrics_pinball", "data/test_checks_entries", "data/test_checks_tables",
    "data/test_labels",
    "kernels/test_reference_activations", "kernels/test_reference_blocks",
    "kernels/test_reference_losses", "kernels/test_reference_random",
    "kernels/test_reference_spectral", "kernels/test_reference_steps",
    "backends/test_memory", "backends/test_orders",
    "network/test_folding", "network/test_joining", "network/test_population",
    "objective/test_augmentation", "objective/test_elastic_net", "objective/test_losses",
    "objective/test_penalties", "optim/test_schedules",
    "training/test_batches", "training/test_stopping",
    "estimators/test_early_stopping", "estimators/test_interface", "estimators/test_members",
    "estimators/test_regressor",
    "model_selection/test_plan", "model_selection/test_race",
}  # fmt: skip
HERE = Path(__file__).parent
assert all((HERE / f"{name}.py").is_file() for name in FAST)
MANY = 12  # cases of one test, from which on the default run takes half of them
WHOLE = {"test_default_passes_check"}  # tests of which it takes all
Table = tuple[np.ndarray, np.ndarray]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their files, but for those that need a device, and half of many cases."""
    _thin(items)
    for item in items:
        if "gpu" in item.keywords or HERE not in item.path.parents:
            continue
        if item.path.relative_to(HERE).with_suffix("").as_posix() in FAST:
            item.add_marker("fast")
        if item.path.stem.startswith("test_cuda_") or item.path.stem == "test_replays":
            item.add_marker("cuda")


def _thin(items: list[pytest.Item]) -> None:
    """Leave half of the cases of a test that has many to the thorough run.

    A digest of its name says whether a case stays: a fixed order would leave out the same values
    of each parameter.
    """
    tests = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if not {"gpu", "docs", "thorough"} & set(item.keywords):
            tests[item.nodeid.partition("[")[0]].append(item)
    for name, cases in tests.items():
        if len(cases) >= MANY and name.rpartition("::")[2] not in WHOLE:
            for case in cases:
                if crc32(case.nodeid.encode()) % 2:
                    case.add_marker("thorough")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave what is collected out of the garbage collector's rounds: nothing of it goes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _frozen(*arrays: np.ndarray) -> Table:
    for array in arrays:
        array.setflags(write=False)
    return arrays


@pytest.fixture(scope="session")
def binary() -> Table:
    """240 rows, 6 columns, labels 0 and 1."""
    return _frozen(
        *make_classification(240, 6, n_informative=4, class_sep=1.5, flip_y=0.05, random_state=0)
    )


@pytest.fixture(scope="session")
def multiclass() -> Table:
    """240 rows, 6 columns, labels 0, 1 and 2."""
    return _frozen(
        *make_classification(
            240, 6, n_informative=4, n_redundant=0, n_classes=3, class_sep=2.0, random_state=1
        )
    )


@pytest.fixture(scope="session")
def regression() -> Table:
    """240 rows, 6 columns, one target of standard deviation about 100."""
    return _frozen(*make_regression(240, 6, n_informative=4, noise=5.0, random_state=2))


@pytest.fixture(params=PLACES)
def put(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Places an array on one of array-api-strict's devices, or on a GPU."""
    return placing(request.param)


@pytest.fixture(params=[True, False], ids=["dispatch", "no dispatch"])
def dispatch(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether scikit-learn's own functions compute on devices."""
    with config_context(array_api_dispatch=request.param):
        yield request.param


@dataclass(frozen=True)
class Problem:
    """A stack of networks in float64 with rows to train on, as the engine takes them."""

    network: Network
    members: Members
    data: TrainingData
    rows: np.ndarray  # (K, n)

    def batch_gradient(self, loss: Loss, rows: int) -> tuple[BatchGradient, Parameters, np.ndarray]:
        """The gradient of a batch, where it is written, and where the loss is added."""
        gradient, value = zeros_like(self.network.parameters), np.zeros(self.network.members)
        weight = np.stack([self.data.weight[0, r] for r in self.rows]).mean(axis=1)
        batch, results = Batch(rows, len(self.rows), weight), Results(gradient, value)
        compute = BatchGradient(self.network, self.members, loss, self.data, batch, results)
        return compute, gradient, value


def coded(
    X: np.ndarray, scaling: Scaling, categories: Categories, rng: np.random.Generator
) -> tuple[CodedRows, Scaling]:
    """A table with gaps, and codes of columns of which some levels have no place."""
    X[::7, 0] = np.nan
    shape = scaling.offset.shape
    scaling = scaling._replace(clip=np.full(shape, 0.3), fill=rng.normal(size=shape))
    known = {column: (0, levels) for column, levels, _ in categories.embeddings}
    begin = 0
    for column, rows in categories.columns:
        known[column] = begin, rows
        begin += rows
    places, codes = [], []
    for column in range(categories.count):
        first, count = known.get(column, (0, 0))
        places.append(np.array([-1, *range(first, first + count)], dtype=np.int32))
        codes.append(rng.integers(0, 1 + count, len(X)))
    starts = np.cumsum([0, *map(len, places)])[:-1]
    table = np.stack(codes, axis=1).astype(np.int32)
    every = np.concatenate(places)[None]
    columns = np.arange(categories.count)
    return CodedRows(X, table), scaling._replace(columns=columns, starts=starts, places=every)


def binned(embedding: Embedding, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lower ends and gains (1, B) of bins among which standardized numbers lie, and beyond them."""
    edges = [np.sort(rng.normal(0.7, 0.7, count + 1)) for count in embedding.bins]
    low = np.concatenate([each[:-1] for each in edges])
    return low[None], 1.0 / np.concatenate([np.diff(each) for each in edges])[None]


@pytest.fixture
def problem() -> Callable[..., Problem]:
    """A builder of problems of 60 rows, with unequal row weights and generic parameters."""

    def build(
        sizes: tuple[int, ...] = (5, 7, 6, 2), *, classes: int = 0, members: int = 2,
        activation: str = "tanh", normalization: str | None = "batch", affine: bool = True,
        dropout: float = 0.0, input_dropout: float = 0.0, residual: bool = False, n: int = 60,
        seed: int = 0, categories: Categories | None = None, mixup: bool = False,
        embedding: Embedding | None = None,
    ) -> Problem:  # fmt: skip
        rng = np.random.default_rng(seed)
        known = 1e-5, affine, 16, residual, embedding, categories
        architecture = Architecture(sizes, activation, normalization, *known)
        states = [np.random.RandomState(seed + k) for k in range(members)]
        network = initialize(resolve(np.zeros(1)), architecture, states, np.dtype(np.float64))
        network.parameters.flat[...] += 0.1 * rng.normal(size=network.parameters.flat.shape)
        for moments in network.statistics:
            moments[...] = rng.uniform(0.5, 2.0, moments.shape)
        targets = rng.normal(size=(n, sizes[-1]))
        if classes > 2:
            targets = rng.integers(0, classes, (n, 1))
        width = len(embedding.bins) if embedding else architecture.numbers
        X: Any = rng.normal(2.0, 3.0, (n, width))
        y = (targets > 0).astype(float) if classes == 2 else targets
        weight = rng.uniform(0.2, 3.0, (1, n))
        scaling = Scaling(rng.normal(size=(1, width)), rng.uniform(0.2, 0.5, (1, width)))
        if categories is not None:
            X, scaling = coded(X, scaling, categories, rng)
        if embedding is not None:
            low, gain = binned(embedding, rng)
            scaling = scaling._replace(low=low, gain=gain)
        data = TrainingData(X, y, weight, scaling)
        rates = np.linspace(0.0, dropout, members + 1)[1:]
        values = dict.fromkeys((each.name for each in fields(Members)), 0.0)
        values |= {"alpha": 0.1, "l1_ratio": 0.5, "learning_rate_init": 0.01, "norm_momentum": 0.1}
        values |= {"input_dropout": input_dropout, "mixup_alpha": 0.5 * mixup}
        full: Any = {name: np.full(members, value) for name, value in values.items()}
        seeds = np.arange(7, 7 + members, dtype=np.uint32)
        rows = np.stack([rng.permutation(n) for _ in range(members)])
        return Problem(network, Members(**{**full, "dropout": rates, "seed": seeds}), data, rows)

    return build
