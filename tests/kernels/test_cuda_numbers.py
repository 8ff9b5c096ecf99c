"""The CUDA kernels of numbers, against the specification."""

from typing import Any

import numpy as np
import pytest
from kernel_case import Case
from test_cuda_rows import check_refusals

from sknorm.kernels import cuda

DTYPES = [np.float32, np.float64]
STACKS = [(1, 1, 1), (1, 3, 1), (1, 3, 2), (3, 3, 1), (3, 3, 3)]
ROWS = [1, 2, 7, 33, 300]
SHARED = {"low", "gain", "plan"}  # what no member has one of its own of


def both(cases: Any, *args: Any, **kwargs: Any) -> list[Case]:
    """A case of each direction."""
    builders = cases.number_embedding, cases.number_embedding_backward
    return [build(*args, **kwargs) for build in builders]


def written(case: Case) -> list[str]:
    """Arrays that a case writes."""
    return [name for name in case.arguments if case.is_output(name)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("R", "K", "V"), STACKS)
def test_sums(cases: Any, cuda_machine: Any, R: int, K: int, V: int, dtype: type) -> None:
    for n in ROWS:
        for case in both(cases, R, K, n, dtype, V):
            cuda_machine.check(case, ulps=4.0)


def planned(*columns: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    """Columns of vectors of some width, with so many bins."""
    plan, first, begin, start = [], 0, 0, 0
    for width, bins in columns:
        plan.append((first, width, begin, start, bins))
        first, begin, start = first + max(1, width), begin + (1 + bins) * width, start + bins
    return tuple(plan)


@pytest.mark.parametrize(
    "columns",
    [
        ((1, 1),), ((33, 2), (0, 0), (70, 1)), ((2, 6), (2, 7), (2, 14), (2, 15), (3, 48)),
        tuple((2, 3) for _ in range(40)), ((0, 0), (0, 0)),
    ],
    ids=["one", "wide", "many bins", "many columns", "no vectors"],
)  # fmt: skip
def test_embeddings_of_any_shape(cases: Any, cuda_machine: Any, columns: tuple) -> None:
    """More columns of the input than a warp has lanes, more vectors than a block takes."""
    for dtype in DTYPES:
        for case in both(cases, 3, 3, 33, dtype, plan=planned(*columns)):
            cuda_machine.check(case, ulps=4.0)


def test_nothing_to_do(cases: Any, cuda_machine: Any) -> None:
    for case in both(cases, 3, 3, 9, np.float32, plan=()):
        cuda_machine.check(case)
    for case in both(cases, 3, 3, 0, np.float32):
        for rows in (0, 1):
            known = {"rows": np.zeros((3, rows), np.int64)}
            cuda_machine.check(case._replace(arguments=case.arguments | known))


def test_the_first_row_tells_the_view(cases: Any, cuda_machine: Any) -> None:
    for case in both(cases, 3, 3, 9, np.float32):
        alone = {"rows": case.arguments["rows"][:, :1].copy()}
        got = cuda_machine.check(case._replace(arguments=case.arguments | alone))
        want = cuda_machine.run(case)
        for name in written(case):
            np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def test_more_rows_than_a_grid_takes_at_once(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda.rows, "_BLOCKS", 1)
    for case in both(cases, 2, 2, 700, np.float32):
        cuda_machine.check(case)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_need_no_alignment(cases: Any, cuda_machine: Any, dtype: type) -> None:
    for case in both(cases, 3, 3, 9, dtype):
        cuda_machine.check(case, shift=np.dtype(dtype).itemsize)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_member_does_not_depend_on_the_stack(cases: Any, cuda_machine: Any, dtype: type) -> None:
    for case in both(cases, 3, 3, 33, dtype):
        alone = dict(case.arguments)
        for name, value in alone.items():
            if isinstance(value, np.ndarray) and name not in SHARED:
                alone[name] = value[2:].copy()
        want = cuda_machine.run(case)
        got = cuda_machine.run(case._replace(arguments=alone))
        for name in written(case):
            np.testing.assert_array_equal(got[name], want[name][2:], err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_column_does_not_depend_on_those_beside_it(
    cases: Any, cuda_machine: Any, dtype: type
) -> None:
    """Nor on its place among them, or on the number of bins of others."""
    for case in both(cases, 3, 3, 33, dtype):
        want, plan = cuda_machine.run(case), case.arguments["plan"]
        for column, (first, width, begin, _, bins) in enumerate(plan.tolist()):
            alone = {"plan": plan[[column]], "numbers": case.arguments["numbers"][:, :, [column]]}
            got = cuda_machine.run(case._replace(arguments=case.arguments | alone))
            own = slice(first, first + max(1, width)), slice(begin, begin + (1 + bins) * width)
            name = written(case)[0]
            part = (..., own[0] if name == "x" else own[1])
            np.testing.assert_array_equal(got[name][part], want[name][part], err_msg=name)


def test_a_warp_adds_its_rows_in_the_order_of_the_batch(cuda_machine: Any) -> None:
    """1 is lost beside 1e20, unless what cancels it comes first; every eighth row is a warp's."""
    for big, want in ((8, 1.0), (16, 0.0)):
        dx = np.zeros((1, 17, 1))
        dx[0, 0], dx[0, big], dx[0, 24 - big] = 1e20, -1e20, 1.0
        arguments = {
            "rows": np.zeros((1, 17), np.int64), "count": 1, "low": np.zeros((1, 1)),
            "gain": np.ones((1, 1)), "plan": np.array([[0, 1, 0, 0, 1]]),
            "numbers": np.full((1, 17, 1), 2.0), "dx": dx, "sums": np.full((1, 2), np.nan),
            "dtable": np.full((1, 2), np.nan),
        }  # fmt: skip
        got = cuda_machine.run(Case("number_embedding_backward", arguments))["dtable"]
        np.testing.assert_array_equal(got, [[2.0 * want, want]])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [(1, 65_537), (1, 20_000), (64, 256)])
def test_large_batches(cases: Any, device_cuda: Any, dtype: type, batch: tuple) -> None:
    K, n = batch
    for case in both(cases, 1, K, n, dtype, plan=planned(*[(16, 48)] * 20)):
        device_cuda.check(case)


def test_arrays_must_be_contiguous(cases: Any, host_cuda: Any) -> None:
    for case in both(cases, 3, 3, 7, np.float32):
        check_refusals(case)
