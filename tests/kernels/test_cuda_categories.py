"""The CUDA kernels on categories, against the specification."""

from typing import Any

import numpy as np
import pytest
from kernel_case import Case
from test_cuda_rows import check_refusals

from sknorm.kernels import cpu, cuda

DTYPES = [np.float32, np.float64]
STACKS = [(1, 1), (1, 3), (3, 3)]
# Columns of one lane, of some, of a warp, whose lanes take one value or several; several tiles.
SHAPES = [(1, 1), (1, 67), (2, 5), (7, 64), (33, 130), (300, 9), (9, 1030)]
LEVELS = [(3,), (3, 1, 9), (2,) * 40]


def sums(cases: Any, R: int, K: int, n: int, d: int, dtype: type) -> list[Case]:
    """What reads or writes floats of type T."""
    size = (R, K, n)
    rows = [build(*size, d, dtype) for build in (cases.category_rows, cases.category_rows_backward)]
    return [*rows, cases.embedding(*size, dtype), cases.embedding_backward(*size, dtype)]


def written(case: Case) -> list[str]:
    """Arrays that a case writes; ``first`` is the number of a column here."""
    values = case.arguments.items()
    return [name for name, a in values if isinstance(a, np.ndarray) and case.is_output(name)]


def planned(cases: Any, build: str, plan: list[tuple[int, ...]], n: int = 33) -> Case:
    """A case of three members with these embedded columns."""
    case = getattr(cases, build)(3, 3, n, np.float32)
    table, w = np.array(plan, dtype=np.int64).reshape(-1, 5), 1 + 2 * sum(p[2] for p in plan)
    levels = [9] * 4
    for row in plan:
        levels[row[0]] = row[4]
    changed: dict[str, Any] = {"plan": table} | cases.mixed(3, 3, n, tuple(levels))
    shapes = {"x": (3, n, w), "dx": (3, n, w - 1)}
    t = sum(width * count for _, _, width, _, count in plan)
    for name in {"x", "dx", "table", "dtable"} & set(case.arguments):
        changed[name] = cases.rng.normal(size=shapes.get(name, (3, t))).astype(np.float32)
    return case._replace(arguments=case.arguments | changed)


@pytest.mark.parametrize("R", [1, 3])
def test_codes(cases: Any, cuda_machine: Any, R: int) -> None:
    for n, _ in SHAPES:
        for levels in LEVELS:
            cuda_machine.check(cases.take_codes(R, n, levels), ulps=0.0)
            cuda_machine.check(cases.drop_codes(R, n, len(levels)), ulps=0.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("R", "K"), STACKS)
def test_sums(cases: Any, cuda_machine: Any, R: int, K: int, dtype: type) -> None:
    for n, d in SHAPES:
        for case in sums(cases, R, K, n, d, dtype):
            cuda_machine.check(case, ulps=4.0)


@pytest.mark.parametrize("build", ["embedding", "embedding_backward"])
def test_embeddings_of_any_width(cases: Any, cuda_machine: Any, build: str) -> None:
    """Vectors of more values than a warp has lanes, columns of one level and of many."""
    plan = [(2, 1, 70, 0, 1), (1, 72, 1, 70, 50), (3, 75, 33, 120, 3)]
    cuda_machine.check(planned(cases, build, plan), ulps=4.0)


@pytest.mark.parametrize("columns", [0, 1, 20, 40])
def test_any_number_of_code_columns(cases: Any, cuda_machine: Any, columns: int) -> None:
    """A row has fewer terms than a warp has lanes, or more."""
    for case in sums(cases, 3, 3, 9, 33, np.float64)[:2]:
        changed = {"codes": cases.mixed(3, 3, 9, (6,) * 40)["codes"]}
        changed["columns"] = cases.rng.permutation(40)[:columns]
        cuda_machine.check(case._replace(arguments=case.arguments | changed), ulps=20.0)


def test_nothing_to_do(cases: Any, cuda_machine: Any) -> None:
    cuda_machine.check(cases.take_codes(3, 8, ()))
    cuda_machine.check(cases.drop_codes(3, 8, 0))
    for build in ("embedding", "embedding_backward"):
        cuda_machine.check(planned(cases, build, []))
    for case in sums(cases, 3, 3, 9, 5, np.float32)[:2]:
        for end in ("start", "stop"):
            same = dict.fromkeys(("start", "stop"), case.arguments[end])
            cuda_machine.check(case._replace(arguments=case.arguments | same))
    case = cases.category_rows_backward(3, 3, 9, 5, np.float32)
    none = {"first": case.arguments["dweight"].shape[1], "columns": np.zeros(0, np.int64)}
    cuda_machine.check(case._replace(arguments=case.arguments | none))


def test_more_than_a_grid_takes_at_once(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (cuda.rows, cuda.categories):
        monkeypatch.setattr(module, "_BLOCKS", 1)
    cuda_machine.check(cases.take_codes(2, 700, (3, 5)))
    cuda_machine.check(cases.drop_codes(2, 700, 2))
    plan = [(2, 1, 3, 0, 40), (1, 4, 2, 120, 2)]
    for build in ("embedding", "embedding_backward"):
        cuda_machine.check(planned(cases, build, plan, 300))
    forward, backward = sums(cases, 2, 2, 300, 130, np.float32)[:2]
    cuda_machine.check(forward)
    more = {"dweight": np.full((2, 40, 130), -5.0, np.float32)}
    cuda_machine.check(backward._replace(arguments=backward.arguments | more))


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_need_no_alignment(cases: Any, cuda_machine: Any, dtype: type) -> None:
    for case in sums(cases, 3, 3, 9, 96, dtype):
        cuda_machine.check(case, shift=np.dtype(dtype).itemsize)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_sums_are_in_the_order_of_the_batch(cuda_machine: Any, share: float) -> None:
    """1 is lost beside 1e20, unless what cancels it comes first; a row is a warp's, and beyond."""
    one, none = np.full(1, share), np.zeros(1)
    columns, plan = np.zeros(1, np.int64), np.array([[0, 0, 1, 0, 1]])
    for n in (3, 70):
        codes, last = np.zeros((1, n, 1), np.int32), n - 1
        for big, want in ((last, 0.0), (1, 1.0)):
            dz = np.zeros((1, n, 1))
            dz[0, 0], dz[0, big] = 1e20, -1e20
            dz[0, 1 if big == last else last] = 1.0
            tail = {"dweight": np.full((1, 1, 1), np.nan)}
            head = {"codes": codes, "columns": columns, "share": one, "rate": none, "dz": dz}
            arguments = head | {"first": 0, "start": 0, "stop": 1} | tail
            got = cuda_machine.run(Case("category_rows_backward", arguments))
            assert got["dweight"] == want
            head = {"codes": codes, "share": one, "rate": none, "plan": plan, "first": 0}
            arguments = head | {"dx": dz, "dtable": np.full((1, 1), np.nan)}
            assert cuda_machine.run(Case("embedding_backward", arguments))["dtable"] == want


@pytest.mark.parametrize("dtype", DTYPES)
def test_terms_are_in_the_order_of_the_specification(
    cases: Any, cuda_machine: Any, dtype: type
) -> None:  # fmt: skip
    """All bits are those of the loops on the host, as rows count 1/4 and 1 here, or 2 and 0.

    Products are exact then: whether they are rounded before they are added makes no difference.
    """
    for case in sums(cases, 3, 3, 200, 24, dtype):
        case.arguments["share"][...] = [0.2, 1.0, 0.2]
        case.arguments["rate"][...] = [0.2, 0.5, 0.2]
        got, want = cuda_machine.run(case), case.run(cpu)
        for name in written(case):
            np.testing.assert_array_equal(got[name], want[name], err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_member_does_not_depend_on_the_stack(cases: Any, cuda_machine: Any, dtype: type) -> None:
    for case in (*sums(cases, 3, 3, 33, 24, dtype), cases.drop_codes(3, 33, 5)):
        alone = dict(case.arguments)
        for name, value in alone.items():
            if isinstance(value, np.ndarray) and name not in ("columns", "plan"):
                alone[name] = value[2:].copy()
        want = cuda_machine.run(case)
        got = cuda_machine.run(case._replace(arguments=alone))
        for name in written(case):
            np.testing.assert_array_equal(got[name], want[name][2:], err_msg=name)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_has_no_place_adds_nothing(cases: Any, cuda_machine: Any, bad: float) -> None:
    """Not even what is not a number."""
    for case in sums(cases, 3, 3, 9, 64, np.float32):
        case.arguments["codes"][...] = -1
        want = cuda_machine.check(case)
        for name in {"weight", "dz", "table", "dx"} & set(case.arguments):
            case.arguments[name][...] = bad
        got = cuda_machine.run(case)
        for name in written(case):
            assert np.isfinite(got[name]).all()
            np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def test_the_number_of_a_step_may_stand_in_an_array(cases: Any, cuda_machine: Any) -> None:
    case = cases.drop_codes(1, 50, 3)

    def run(step: Any) -> np.ndarray:
        return cuda_machine.run(case._replace(arguments=case.arguments | {"step": step}))["out"]

    want, got = run(2**32 + 5), run(np.array([5], dtype=np.uint32))
    np.testing.assert_array_equal(got, want)
    assert not np.array_equal(run(6), want)


def test_dropped_places_are_those_of_dropout(cases: Any, cuda_machine: Any) -> None:
    case = cases.drop_codes(3, 50, 7)
    case.arguments["out"][...] = 4
    twin = Case("dropout", case.arguments | {"out": np.ones((3, 50, 7))})
    kept, dropped = cuda_machine.run(case)["out"], cuda_machine.run(twin)["out"] == 0.0
    np.testing.assert_array_equal(kept, np.where(dropped, -1, 4))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [(1, 65_537, 129), (1, 20_000, 512), (64, 256, 256)])
def test_large_batches(cases: Any, device_cuda: Any, dtype: type, batch: tuple) -> None:
    K, n, d = batch
    for case in sums(cases, 1, K, n, d, dtype):
        device_cuda.check(case)


def test_arrays_must_be_contiguous(cases: Any, host_cuda: Any) -> None:
    for case in sums(cases, 3, 3, 7, 6, np.float32):
        check_refusals(case)
    check_refusals(cases.take_codes(2, 7, (3, 5)))
    check_refusals(cases.drop_codes(2, 7, 3))
