"""Records call the code that kernels have, for each member of a stack as for one network."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from kernel_case import Case

from sknorm.backends.executors.compiled import Compiled
from sknorm.backends.executors.records import Recorder
from sknorm.backends.numpy import NumpyBackend
from sknorm.backends.program import Operation, Program, pick
from sknorm.kernels import codes, cpu, reference
from sknorm.kernels.cpu import blas, machine_code, trial
from sknorm.kernels.cpu.trial import MachineCodeWarning

DTYPES = [np.float32, np.float64]
WITHOUT_CODE = {"begin_step", "singular_value_threshold"}  # of devices, and NumPy's
# One whose derivative is computed twice and one whose derivative is stored, as others need them.
ACTIVATIONS = {np.float32: {codes.RELU, codes.SILU}, np.float64: {codes.RELU, codes.TANH}}
STEP = 5


def run_recorded(operation: Operation, members: int, step: int = STEP) -> None:
    """Make the call of an operation for each member of a stack."""
    rows, numbers = np.zeros((1, 1), np.int64), np.zeros((1, members))
    program = Program({1: [operation]}, {1: rows}, numbers, [])
    order, table = np.zeros((1, 1), np.int64), np.zeros((1, 1, members))
    Compiled(NumpyBackend(), program, [(0, 1)]).epoch(program, order, table, step)


def recorded(case: Case, members: int) -> dict[str, Any]:
    """The arguments after the recorded call."""
    arguments = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in case.arguments.items()}
    if case.forward:
        arguments["statistics"] = case.forward.run(cpu)["statistics"]
    step = arguments.get("step", STEP)
    values = pick(case.kernel, arguments)
    run_recorded(Operation(getattr(cpu, case.kernel), *values), members, step)
    return arguments


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 3])
def test_every_kernel(cases: Any, K: int, dtype: type) -> None:
    found = set()
    for case in cases.every(K, dtype):
        if case.kernel in WITHOUT_CODE or "gather" in case.kernel:
            continue
        if case.arguments.get("activation", codes.RELU) not in ACTIVATIONS[dtype]:
            continue
        got, want = recorded(case, K), case.run(cpu)
        for name in filter(case.is_output, want):
            np.testing.assert_array_equal(got[name], want[name], err_msg=f"{case.kernel} {name}")
        found.add(case.kernel)
    assert found == set(reference.__all__) - WITHOUT_CODE - {"gather", "gather_sparse"}


OF_VIEWS = {
    "gather": ((3, 1, 6, 4, np.float32, np.float32, False), ("offset", "factor")),
    "gather_sparse": ((3, 1, 6, 4, np.float32, np.float32, np.int32), ("offset", "factor")),
    "squash": ((3, 6, 4, np.float32), ("clip", "fill")),
    "take_codes": ((3, 6, (3, 5)), ("places",)),
    "number_embedding": ((3, 3, 6, np.float32), ("low", "gain", "plan")),
    "number_embedding_backward": ((3, 3, 6, np.float32), ("low", "gain", "plan")),
}


@pytest.mark.parametrize("build", OF_VIEWS)
def test_rows_of_one_table_for_all_members(cases: Any, build: str) -> None:
    """What members share is not taken for a part of each, though there be as many views."""
    how, names = OF_VIEWS[build]
    case = getattr(cases, build)(*how)
    for name in names:
        assert len(case.arguments[name]) != 1
    got, want = recorded(case, 3), case.run(cpu)
    for name in filter(case.is_output, want):
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def test_arrays_of_other_layouts(cases: Any) -> None:
    """Read-only ones, and columns of wider arrays, whose strides other code would not know."""
    case = cases.affine(3, 9, 8, np.float64, codes.RELU)
    want, arguments = case.run(cpu), dict(case.arguments)
    arguments["shift"].setflags(write=False)
    wide = np.zeros((3, 9, 20))
    for name in ("z", "out"):
        view = wide[:, :, 10:18] if name == "z" else np.zeros((3, 9, 30))[:, :, 3:11]
        view[...] = arguments[name]
        arguments[name] = view
    operation = Operation(cpu.affine_block_forward, *pick(case.kernel, arguments))
    run_recorded(operation, 3, arguments["step"])
    np.testing.assert_array_equal(arguments["out"], want["out"])


def test_what_is_of_no_member_and_not_of_all_is_refused(cases: Any) -> None:
    case = cases.dropout(3, 7, 5, np.float32)
    with pytest.raises(AssertionError):
        recorded(case, 2)


def layouts(rng: np.random.Generator, shape: tuple, dtype: type) -> list[np.ndarray]:
    """A stack in C order, with its matrices transposed, and as columns of wider matrices."""
    K, n, d = shape
    values = rng.normal(size=shape).astype(dtype)
    wide = np.zeros((K, n, d + 3), dtype)
    wide[:, :, :d] = values
    return [values, np.ascontiguousarray(values.mT).mT, wide[:, :, :d]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 3])
def test_products_are_those_of_numpy_bit_for_bit(dtype: type, K: int) -> None:
    """All shapes and layouts of a layer's products, parts of a layer included."""
    rng, backend = np.random.default_rng(K), NumpyBackend()
    special = (1, 1, 1), (1, 7, 1), (64, 300, 10), (200, 7, 1), (1, 30, 20), (40, 1, 30), (5, 1, 1)
    for n, m, d in (*special, *rng.integers(1, 40, (150, 3)).tolist()):
        a = layouts(rng, (K, n, m), dtype)[rng.integers(3)]
        b = layouts(rng, (K, m, d), dtype)[rng.integers(3)]
        want = np.empty((K, n, d), dtype)
        backend.product(a, b, want).call(a, b, want)
        for out in (np.full((K, n, d), np.nan, dtype), np.full((K, n, d + 3), np.nan, dtype)):
            part = out[:, :, :d]
            run_recorded(backend.product(a, b, part), K)
            np.testing.assert_array_equal(part, want, err_msg=f"{n} {m} {d} {a.strides}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_by_the_blas_of_scipy(monkeypatch: pytest.MonkeyPatch, dtype: type) -> None:
    """Where NumPy's cannot be found, as with a build of one's own on Windows."""
    blas.routine.cache_clear()
    monkeypatch.setattr(blas, "_of_numpy", lambda name: None)
    try:
        rng = np.random.default_rng(0)
        for n, m, d in [(7, 5, 3), (7, 5, 1), (1, 5, 3), (1, 5, 1)]:
            a = rng.normal(size=(2, n, m)).astype(dtype)
            b = rng.normal(size=(2, m, d)).astype(dtype)
            out = np.zeros((2, n, d), dtype)
            run_recorded(NumpyBackend().product(a, b, out), 2)
            np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-5)
    finally:
        blas.routine.cache_clear()


def test_routines_are_found_in_the_blas_of_numpy() -> None:
    for name in ("sgemm", "dgemm", "sgemv", "dgemv", "sdot", "ddot"):
        assert blas._of_numpy(name), name


def test_adapters_serve_all_kernels_of_the_same_types(cases: Any) -> None:
    made = []
    for kernel in ("add", "copy"):
        case = cases.onto(kernel, 1, 7, 5, np.float32)
        operation = Operation(getattr(cpu, kernel), tuple(case.arguments.values()))
        made.append(Recorder(1).record(operation))
    assert made[0].adapter == made[1].adapter
    assert made[0].words[0] != made[1].words[0]


@pytest.fixture
def untried() -> Any:
    """What is known of this version of Numba is forgotten, before and after."""
    trial.works.cache_clear()
    yield
    trial.works.cache_clear()


def fails(*arguments: Any) -> Any:
    raise AttributeError("no such thing in this version")


@pytest.mark.parametrize(
    ("module", "name", "instead", "reason"),
    [
        (machine_code, "address", fails, "no such thing"),
        (blas, "product", fails, "no such thing"),
        (trial, "_trial", lambda: False, "wrong result"),
    ],
)
@pytest.mark.usefixtures("untried")
def test_another_numba_warns_once(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, instead: Callable, reason: str
) -> None:
    monkeypatch.setattr(module, name, instead)
    with pytest.warns(MachineCodeWarning, match=rf"{numba.__version__}.*{reason}"):
        assert not NumpyBackend().compiles
    assert not NumpyBackend().compiles  # the warning would be an error


@pytest.mark.usefixtures("untried")
def test_this_numba_works() -> None:
    assert NumpyBackend().compiles
