"""Embeddings of numbers, against NumPy's interpolation and dense matrices."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from kernel_case import Case

from sknorm.kernels import cpu, reference

KERNELS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
STACKS = pytest.mark.parametrize(
    ("R", "K", "V"), [(1, 1, 1), (1, 3, 1), (1, 3, 2), (3, 3, 1), (3, 3, 3)]
)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def bins(arguments: dict[str, Any], k: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of the bins of a member's column that there are."""
    rows, (*_, start, count) = arguments["rows"], arguments["plan"][column]
    view = rows[k % len(rows), 0] // arguments["count"] if len(arguments["low"]) > 1 else 0
    own = slice(start, start + count)
    low, gain = arguments["low"][view, own], arguments["gain"][view, own]
    there = np.isfinite(low)
    return low[there], low[there] + 1.0 / gain[there]


def inputs(arguments: dict[str, Any], k: int, column: int) -> np.ndarray:
    """What the vectors of a member's column count, (n, 1 + bins)."""
    numbers, count = arguments["numbers"], arguments["plan"][column][4]
    z = numbers[k % len(numbers), :, column].astype(float)
    filled = np.zeros((len(z), count))
    for t, (low, high) in enumerate(zip(*bins(arguments, k, column), strict=True)):
        filled[:, t] = np.interp(z, [low, high], [0.0, 1.0])
    return np.column_stack([z, filled])


@KERNELS
@STACKS
def test_embeddings(cases: Any, kernels: Any, R: int, K: int, V: int) -> None:
    case = cases.number_embedding(R, K, 40, np.float64, V)
    a, got = case.arguments, case.run(kernels)["x"]
    for k in range(K):
        want = a["x"][k].copy()
        for column, (first, width, begin, _, count) in enumerate(a["plan"]):
            if width == 0:
                want[:, first] = a["numbers"][k % R, :, column]
                continue
            vectors = a["table"][k, begin : begin + (1 + count) * width].reshape(-1, width)
            want[:, first : first + width] = inputs(a, k, column) @ vectors
        np.testing.assert_allclose(got[k], want, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(got[k, :, -2:], a["x"][k, :, -2:])


@KERNELS
@STACKS
def test_gradients(cases: Any, kernels: Any, R: int, K: int, V: int) -> None:
    case = cases.number_embedding_backward(R, K, 40, np.float64, V)
    a, got = case.arguments, case.run(kernels)["dtable"]
    for k in range(K):
        parts = [
            (inputs(a, k, column).T @ a["dx"][k, :, first : first + width]).ravel()
            for column, (first, width, *_) in enumerate(a["plan"])
        ]
        sizes = [(1 + count) * width for _, width, _, _, count in a["plan"]]
        assert np.sum(sizes) == got.shape[1]
        for (_, _, begin, *_), size, want in zip(a["plan"], sizes, parts, strict=True):
            np.testing.assert_allclose(got[k, begin : begin + size], want, rtol=1e-9, atol=1e-9)


@KERNELS
@STACKS
def test_backward_is_the_transpose_of_forward(
    cases: Any, kernels: Any, R: int, K: int, V: int
) -> None:
    """Embeddings are linear in the table, so that their gradient is the other way round."""
    forward = cases.number_embedding(R, K, 40, np.float64, V)
    a, x = forward.arguments, forward.run(kernels)["x"]
    dx = np.zeros_like(x)
    for first, width, *_ in a["plan"]:
        dx[:, :, first : first + width] = cases.rng.normal(size=(*x.shape[:2], width))
    names = ("rows", "count", "low", "gain", "plan", "numbers")
    own = {name: a[name] for name in names}
    own |= {"dx": dx, "sums": a["sums"], "dtable": np.full_like(a["table"], np.nan)}
    dtable = Case("number_embedding_backward", own).run(kernels)["dtable"]
    want = (dx * x).sum(axis=(1, 2))
    np.testing.assert_allclose((dtable * a["table"]).sum(axis=1), want, rtol=1e-11)


# Of widths whose reciprocals are exact, so that a bin is full where the next one begins.
EDGES = np.array([-1.0, -0.5, 1.5, 5.5])


def of_one_column(z: np.ndarray, table: np.ndarray, missing: int = 0) -> Case:
    """Embeddings of width 1 of a column with three bins, and others that no number reaches."""
    rest = np.full(missing, np.inf)
    low = np.concatenate([EDGES[:-1], rest])[None]
    gain = np.concatenate([1.0 / np.diff(EDGES), np.zeros(missing)])[None]
    arguments = {
        "rows": np.zeros((1, len(z)), np.int64), "count": 1, "low": low, "gain": gain,
        "plan": np.array([[0, 1, 0, 0, 3 + missing]]), "numbers": z[None, :, None],
        "table": table[None], "sums": np.full_like(table[None], np.nan),
        "x": np.full((1, len(z), 1), np.nan, z.dtype),
    }  # fmt: skip
    return Case("number_embedding_forward", arguments)


@KERNELS
@DTYPES
@pytest.mark.parametrize("missing", [0, 2])
def test_bins_are_filled_one_after_the_other(kernels: Any, dtype: type, missing: int) -> None:
    """None below its lower end, whole from its upper end on, and linear between them."""
    z = np.sort(np.concatenate([EDGES, np.linspace(-3.0, 8.0, 200), [-1e30, 1e30]])).astype(dtype)
    for t, (low, high) in enumerate(pairwise(EDGES)):
        table = np.zeros(4 + missing, dtype)
        table[1 + t] = 1.0
        got = of_one_column(z, table, missing).run(kernels)["x"][0, :, 0]
        np.testing.assert_array_equal(got[z <= low], 0.0)
        np.testing.assert_array_equal(got[z >= high], 1.0)
        want = np.interp(z, [low, high], [0.0, 1.0])
        np.testing.assert_allclose(got, want, rtol=0.0, atol=4.0 * np.finfo(dtype).eps)


@KERNELS
@DTYPES
def test_embeddings_are_continuous(kernels: Any, dtype: type) -> None:
    """Beside an edge they are what they are on it, but for the slopes of a step so small."""
    table = np.random.default_rng(0).normal(size=4).astype(dtype)
    on = EDGES.astype(dtype)
    sides = [np.nextafter(on, dtype(side)) for side in (-np.inf, np.inf)]
    at, below, above = (
        of_one_column(z, table).run(kernels)["x"][0, :, 0] for z in (on, *sides)
    )  # fmt: skip
    ulps = 40.0 * np.finfo(dtype).eps
    np.testing.assert_allclose(below, at, rtol=ulps, atol=ulps)
    np.testing.assert_allclose(above, at, rtol=ulps, atol=ulps)
    np.testing.assert_allclose(
        at, table[0] * on + np.cumsum([0.0, *table[1:]]), rtol=ulps, atol=ulps
    )


@KERNELS
@DTYPES
def test_linear_at_first(kernels: Any, dtype: type) -> None:
    """Without bends, a number has its slope."""
    z = np.linspace(-3.0, 8.0, 50).astype(dtype)
    got = of_one_column(z, np.array([2.0, 0.0, 0.0, 0.0], dtype)).run(kernels)["x"]
    np.testing.assert_array_equal(got[0, :, 0], dtype(2.0) * z)


@KERNELS
def test_numbers_are_compared_in_float64(kernels: Any) -> None:
    """A lower end that float32 would round to the number is still above it."""
    z = np.ones(1, np.float32)
    for low, want in ((1.0 + 1e-12, 0.0), (1.0 - 1e-12, 1.0)):
        case = of_one_column(z, np.array([0.0, 1.0, 0.0, 0.0], np.float32))
        case.arguments["low"][...] = [[low, 2.0, 3.0]]
        case.arguments["gain"][...] = [[1e12, 1.0, 1.0]]
        np.testing.assert_allclose(case.run(kernels)["x"], want, atol=1e-3)


@KERNELS
@pytest.mark.parametrize(
    "low", [1.0, 0.1, -0.1, 1.0 - 2.0**-53, 1.0 + 2.0**-52, 0.0, 1e-60, -1e-60, 1e300, -1e300]
)
def test_lower_ends_that_float32_cannot_hold(kernels: Any, low: float) -> None:
    """A number beside such an end is in the bin or below it as it is in float64."""
    largest = np.finfo(np.float32).max
    near = np.float32(np.clip(low, -largest, largest))
    beside = np.nextafter(near, np.float32([-largest, largest]))
    z = np.concatenate([[near, -near, 0.0, -largest, largest], beside]).astype(np.float32)
    case = of_one_column(z, np.array([0.0, 1.0, 0.0, 0.0], np.float32))
    case.arguments["low"][...] = [[low, np.inf, np.inf]]
    case.arguments["gain"][...] = [[1e6, 0.0, 0.0]]
    value = z.astype(float)
    want = np.where(value >= low, np.minimum((value - low) * 1e6, 1.0), 0.0)
    got = case.run(kernels)["x"][0, :, 0]
    np.testing.assert_array_equal(got, want.astype(np.float32))


@KERNELS
@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows(cases: Any, kernels: Any, rows: int) -> None:
    """A batch without rows has no inputs and a gradient of 0, whether its view is known or not."""
    for build in (cases.number_embedding, cases.number_embedding_backward):
        case = build(3, 3, 0, np.float64)
        case.arguments["rows"] = 50 * np.arange(3)[:, None].repeat(rows, axis=1)
        got = case.run(kernels)
        if "x" in got:
            assert got["x"].shape[1] == 0
        else:
            np.testing.assert_array_equal(got["dtable"], 0.0)


@KERNELS
def test_the_first_row_tells_the_view(cases: Any, kernels: Any) -> None:
    """As where batches to predict for are known by their views alone."""
    for build in (cases.number_embedding, cases.number_embedding_backward):
        case = build(3, 3, 9, np.float64)
        alone = case._replace(arguments=case.arguments | {"rows": case.arguments["rows"][:, :1]})
        got, want = alone.run(kernels), case.run(kernels)
        for name in filter(case.is_output, want):
            np.testing.assert_array_equal(got[name], want[name], err_msg=name)


@KERNELS
def test_no_vectors(cases: Any, kernels: Any) -> None:
    """Numbers that are inputs themselves, and none at all."""
    for plan in ((), ((1, 0, 0, 0, 0), (0, 0, 0, 0, 0))):
        case = cases.number_embedding(3, 3, 9, np.float64, plan=plan)
        a, got = case.arguments, case.run(kernels)["x"]
        for column, (first, *_) in enumerate(plan):
            np.testing.assert_array_equal(got[:, :, first], a["numbers"][:, :, column])
        np.testing.assert_array_equal(got[:, :, len(plan) :], a["x"][:, :, len(plan) :])
        back = cases.number_embedding_backward(3, 3, 9, np.float64, plan=plan)
        assert back.run(kernels)["dtable"].shape == (3, 0)
