"""Categories, against dense one-hot matrices."""

from typing import Any

import numpy as np
import pytest

from sknorm.kernels import cpu, reference

KERNELS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])


def one_hot(codes: np.ndarray, count: int) -> np.ndarray:
    """Indicators of the places (n,) of a column; none where there is no place."""
    return (codes[:, None] == np.arange(count)).astype(float)


def seen(arguments: dict[str, Any], k: int, column: int, count: int) -> np.ndarray:
    """What a network sees of a column: mixed with the rows in reverse order, and scaled up."""
    codes = arguments["codes"]
    own = one_hot(codes[k % len(codes), :, column], count)
    share = arguments["share"][k]
    return (share * own + (1.0 - share) * own[::-1]) / (1.0 - arguments["rate"][k])


@KERNELS
@pytest.mark.parametrize("R", [1, 3])
def test_take_codes(cases: Any, kernels: Any, R: int) -> None:
    case = cases.take_codes(R, 8, (3, 5, 4))
    a, got = case.arguments, case.run(kernels)["out"]
    assert a["columns"].tolist() == [3, -1, 1]
    for r in range(R):
        view, row = divmod(a["rows"][r], len(a["codes"]))
        own, codes = a["places"][view[0]], a["codes"][row]
        want = [own[codes[:, 3]], np.full(8, own[3]), own[8 + codes[:, 1]]]
        np.testing.assert_array_equal(got[r], np.stack(want, axis=1))
    assert (got == -1).any() and (got >= 0).any()


@KERNELS
def test_no_columns(cases: Any, kernels: Any) -> None:
    assert cases.take_codes(1, 8, ()).run(kernels)["out"].shape == (1, 8, 0)


@KERNELS
def test_drop_codes_drops_its_share(cases: Any, kernels: Any) -> None:
    case = cases.drop_codes(3, 4000, 2)
    before, got = case.arguments["out"], case.run(kernels)["out"]
    kept = got == before
    assert (got[~kept] == -1).all()
    for rate, one, old in zip(case.arguments["rate"], got, before, strict=True):
        dropped = (one != old).sum() / (old >= 0).sum()
        assert abs(dropped - rate) < 5.0 * np.sqrt(rate * (1 - rate) / (old >= 0).sum()) + 1e-12


@KERNELS
@pytest.mark.parametrize("R", [1, 3])
def test_category_rows(cases: Any, kernels: Any, R: int) -> None:
    """Forward and backward are products with indicators; what is beside stays as it is."""
    case = cases.category_rows(R, 3, 9, 7, np.float64)
    a, got = case.arguments, case.run(kernels)["z"]
    back = cases.category_rows_backward(R, 3, 9, 7, np.float64)
    b, gradient = back.arguments, back.run(kernels)["dweight"]
    first, start = a["first"], a["start"]
    for k in range(3):
        x = sum(seen(a, k, column, 6) for column in (0, 3, 2))
        want = a["z"][k].copy()
        want[:, start:] += x @ a["weight"][k, first:, start:]
        np.testing.assert_allclose(got[k], want, rtol=1e-12, atol=1e-12)
        x = sum(seen(b, k, column, 6) for column in (0, 3, 2))
        want = b["dweight"][k].copy()
        want[first:, start:] = x.T @ b["dz"][k, :, start:]
        np.testing.assert_allclose(gradient[k], want, rtol=1e-12, atol=1e-12)


@KERNELS
@pytest.mark.parametrize("R", [1, 3])
def test_embeddings(cases: Any, kernels: Any, R: int) -> None:
    case = cases.embedding(R, 3, 9, np.float64)
    a, got = case.arguments, case.run(kernels)["x"]
    back = cases.embedding_backward(R, 3, 9, np.float64)
    b, gradient = back.arguments, back.run(kernels)["dtable"]
    for k in range(3):
        want, table = a["x"][k].copy(), a["table"][k]
        want[:, 1:4] = seen(a, k, 2, 5) @ table[:15].reshape(5, 3)
        want[:, 7:9] = seen(a, k, 0, 4) @ table[15:].reshape(4, 2)
        np.testing.assert_allclose(got[k], want, rtol=1e-12, atol=1e-12)
        first = seen(b, k, 2, 5).T @ b["dx"][k, :, 0:3]
        second = seen(b, k, 0, 4).T @ b["dx"][k, :, 6:8]
        want = np.concatenate([first.ravel(), second.ravel()])
        np.testing.assert_allclose(gradient[k], want, rtol=1e-12, atol=1e-12)


def test_sums_are_in_the_order_of_the_batch() -> None:
    """1 is lost beside 1e20, unless what cancels it comes first."""
    for values, want in (([1e20, 1.0, -1e20], 0.0), ([1e20, -1e20, 1.0], 1.0)):
        dz, dweight = np.array(values).reshape(1, 3, 1), np.full((1, 1, 1), np.nan)
        codes, columns = np.zeros((1, 3, 1), np.int32), np.zeros(1, np.int64)
        one, none = np.ones(1), np.zeros(1)
        cpu.category_rows_backward(codes, columns, one, none, dz, 0, 0, 1, dweight)
        assert dweight[0, 0, 0] == want
        plan, table = np.array([[0, 0, 1, 0, 1]]), np.full((1, 1), np.nan)
        cpu.embedding_backward(codes, one, none, plan, 0, dz, table)
        assert table[0, 0] == want
