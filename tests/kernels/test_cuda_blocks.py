"""The CUDA kernels of the hidden blocks, against the specification."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from test_cpu import GHOSTS, inner, sampled

from sknorm.kernels import codes, cuda, reference
from sknorm.kernels.cuda import layer_block, tiles

DTYPES = [np.float32, np.float64]
STACKS = [1, 3]
SHAPES = [(1, 1), (1, 67), (2, 5), (7, 1), (7, 64), (33, 5), (33, 67), (33, 132), (200, 70)]
GROUPS = GHOSTS | {200: (0, 3, 50, 51, 200)}
RATES = [0.0, 0.4]
FLAGS = [False, True]
# Every activation is compiled into affine blocks; the code is the same in the others.
ACTIVATIONS = ["relu", "gelu"]
FORWARD = ["batch", "batch in chunks", "layer", "affine"]
BACKWARD = ["batch_backward", "batch_backward in chunks", "layer_backward", "affine_backward"]


@pytest.fixture
def build(cases: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Builds a case by name; "in chunks" are those of two launches, over chunks of a few rows."""

    def build(name: str, *args: Any, **kwargs: Any) -> Any:
        kernel, _, chunks = name.partition(" in ")
        if chunks:
            monkeypatch.setattr(tiles, "HELD_BYTES", 0)
        monkeypatch.setattr(tiles, "CHUNK_ROWS", 16)
        return getattr(cases, kernel)(*args, **kwargs)

    return build


@pytest.fixture
def few_multiprocessors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Already the blocks of a few members fill the device."""
    monkeypatch.setattr(tiles, "_MULTIPROCESSORS", 3)
    tiles.held_tile.cache_clear()
    yield
    tiles.held_tile.cache_clear()


some_or_more = pytest.mark.parametrize("count", [8, pytest.param(18, marks=pytest.mark.thorough)])
chunks_or_not = pytest.mark.parametrize("chunks", ["", " in chunks"])


@chunks_or_not
@pytest.mark.parametrize("kernel", ["batch", "batch_backward"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@some_or_more
def test_batch_block(
    build: Any, cuda_machine: Any, kernel: str, chunks: str, activation: str, count: int
) -> None:
    code = codes.ACTIVATIONS[activation]
    axes = (DTYPES, STACKS, SHAPES, RATES, FLAGS, FLAGS, FLAGS)
    for dtype, K, (n, d), rate, ghost, shared, part in sampled(count, *axes):
        groups, columns = GROUPS[n] if ghost else (0, n), inner(d, part)
        case = build(kernel + chunks, K, n, d, dtype, code, rate, groups, shared, columns)
        cuda_machine.check(case)


@chunks_or_not
@pytest.mark.parametrize("kernel", ["batch", "batch_backward"])
def test_many_groups(build: Any, cuda_machine: Any, kernel: str, chunks: str) -> None:
    groups = tuple(range(0, 202, 2))
    size = (2, 200, 8, np.float32, codes.RELU)
    cuda_machine.check(build(kernel + chunks, *size, 0.4, groups, False))


@pytest.mark.parametrize("kernel", ["layer", "layer_backward"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@some_or_more
def test_layer_block(
    cases: Any, cuda_machine: Any, kernel: str, activation: str, count: int
) -> None:
    code = codes.ACTIVATIONS[activation]
    for dtype, K, (n, d), rate in sampled(count, DTYPES, STACKS, SHAPES, RATES):
        cuda_machine.check(getattr(cases, kernel)(K, n, d, dtype, code, rate))


@pytest.mark.parametrize("kernel", ["layer", "layer_backward"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [260, 1000, 1027, 4100])
def test_layers_of_many_columns(
    cases: Any, cuda_machine: Any, kernel: str, dtype: type, d: int
) -> None:
    """Rows that several warps take, and rows that no registers hold."""
    cuda_machine.check(getattr(cases, kernel)(1, 5, d, dtype, codes.RELU, 0.4))


def test_layers_of_several_chunks(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_block, "CHUNK_ROWS", 1)
    monkeypatch.setattr(layer_block, "_BLOCKS", 3)
    for n, d in [(70, 67), (70, 64), (7, 1027)]:
        cuda_machine.check(cases.layer(2, n, d, np.float32, codes.RELU, 0.4))
        cuda_machine.check(cases.layer_backward(2, n, d, np.float32, codes.RELU, 0.4))


@pytest.mark.parametrize("kernel", ["affine", "affine_backward"])
@pytest.mark.parametrize("activation", codes.ACTIVATIONS)
@some_or_more
def test_affine_block(
    cases: Any,
    cuda_machine: Any,
    monkeypatch: pytest.MonkeyPatch,
    kernel: str,
    activation: str,
    count: int,
) -> None:
    code = codes.ACTIVATIONS[activation]
    axes = (DTYPES, STACKS, SHAPES, RATES, FLAGS, [16, 1024])
    for dtype, K, (n, d), rate, part, rows in sampled(count, *axes):
        monkeypatch.setattr(tiles, "CHUNK_ROWS", rows)
        cuda_machine.check(getattr(cases, kernel)(K, n, d, dtype, code, rate, inner(d, part)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", codes.ACTIVATIONS)
def test_activations_far_from_zero(
    cases: Any, cuda_machine: Any, activation: str, dtype: type
) -> None:
    size = (1, 8, 33, dtype, codes.ACTIVATIONS[activation])
    for case in (cases.affine(*size), cases.affine_backward(*size)):
        size_of = np.logspace(-8, 4, 132)
        case.arguments["z"][...] = np.stack([size_of, -size_of]).reshape(1, 8, 33)
        case.arguments["shift"][...] = 0.0
        cuda_machine.check(case)


@pytest.mark.parametrize("dtype", DTYPES)
def test_output_may_be_input(cases: Any, cuda_machine: Any, dtype: type) -> None:
    case = cases.affine(3, 33, 8, dtype)
    want = case.run(reference)["out"]
    got = cuda_machine.run(case, out="z")["out"]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", FORWARD + BACKWARD)
def test_arrays_at_odd_addresses(build: Any, cuda_machine: Any, kernel: str) -> None:
    """Columns that could be loaded four at a time, but for where the arrays begin."""
    cuda_machine.check(build(kernel, 2, 33, 64, np.float32, codes.RELU, 0.4), shift=8)
    assert not [name for name in cuda_machine.launched if "<float, 4" in name]


@pytest.mark.parametrize("kernel", [k for k in FORWARD + BACKWARD if "layer" not in k])
def test_no_columns(build: Any, cuda_machine: Any, kernel: str) -> None:
    case = build(kernel, 2, 33, 64, np.float32, codes.RELU)._replace(forward=None)
    case.arguments.update(start=5, stop=5)
    got = cuda_machine.run(case)
    for name in filter(case.is_output, got):
        np.testing.assert_array_equal(got[name], case.arguments[name])


STACKED = {
    "z", "weight", "scale", "shift", "rate", "seed", "running", "momentum", "statistics",
    "accumulators", "out", "inverse_std", "dscale", "dshift", "dout",
}  # fmt: skip


@pytest.mark.parametrize("kernel", FORWARD + BACKWARD)
@pytest.mark.parametrize("ghost", FLAGS)
@pytest.mark.usefixtures("few_multiprocessors")
def test_members_do_not_depend_on_the_stack(
    build: Any, cuda_machine: Any, kernel: str, ghost: bool
) -> None:
    """The last member alone gives the same bits, also where a stack takes wider tiles."""
    norm = {"groups": (0, 10, 33) if ghost else (0, 33), "shared": False}
    kwargs = norm if kernel.startswith("batch") else {}
    case = build(kernel, 3, 33, 24, np.float32, codes.RELU, 0.4, **kwargs)
    want = cuda_machine.run(case)
    alone = {k: v[2:].copy() if k in STACKED else v for k, v in case.arguments.items()}
    if case.forward:
        alone["statistics"] = want["statistics"][2:].copy()
    got = cuda_machine.run(case._replace(arguments=alone, forward=None))
    for name in filter(case.is_output, want):
        np.testing.assert_array_equal(got[name], want[name][2:], err_msg=name)


@chunks_or_not
@pytest.mark.parametrize("groups", [(0, 999), (0, 333, 999)])
def test_large_means_in_float32(
    build: Any, cases: Any, cuda_machine: Any, groups: tuple[int, ...], chunks: str
) -> None:
    """Statistics and outputs agree with float64 to 1e-6 at a mean of 1e4 deviations."""
    single = build("batch" + chunks, 1, 999, 12, np.float32, codes.IDENTITY, 0.0, groups, False)
    z = 1e4 + cases.rng.normal(size=(1, 999, 12))
    single.arguments["z"] = z.astype(np.float32)
    single.arguments["momentum"][...] = 1.0
    double = single._replace(arguments=wide(single.arguments))
    got, want = cuda_machine.run(single), double.run(reference)
    np.testing.assert_allclose(got["out"], want["out"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got["running"], want["running"], rtol=1e-6)
    mean, expected = (
        a["statistics"][:, :, 0].astype(np.float64) + a["statistics"][:, :, 1] for a in (got, want)
    )
    np.testing.assert_allclose(mean, expected, rtol=1e-11)
    np.testing.assert_allclose(
        got["statistics"][:, :, 2:4], want["statistics"][:, :, 2:4], rtol=1e-6
    )


def wide(arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.astype(np.float64) if getattr(value, "dtype", None) == np.float32 else value
        for name, value in arguments.items()
    }


def test_large_means_of_rows_in_float32(cases: Any, cuda_machine: Any) -> None:
    single = cases.layer(1, 9, 300, np.float32, codes.IDENTITY)
    z = 1e4 + cases.rng.normal(size=(1, 9, 300))
    single.arguments["z"] = z.astype(np.float32)
    want = single._replace(arguments=wide(single.arguments)).run(reference)
    got = cuda_machine.run(single)
    np.testing.assert_allclose(got["out"], want["out"], rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(got["inverse_std"], want["inverse_std"], rtol=1e-6)


@pytest.mark.parametrize("kernel", FORWARD[:3])
def test_mean_is_right_beyond_rounding(
    build: Any, cases: Any, cuda_machine: Any, kernel: str
) -> None:
    """The mean of numbers near 1e12 is off by 1e-4 if it is rounded to float64."""
    case = build(kernel, 2, 40, 40, np.float64, codes.IDENTITY)
    case.arguments["z"] = 1e12 + cases.rng.normal(size=(2, 40, 40))
    near = case._replace(arguments=case.arguments | {"z": case.arguments["z"] - 1e12})
    got, want = cuda_machine.run(case), near.run(reference)
    np.testing.assert_allclose(got["out"], want["out"], rtol=1e-10, atol=1e-10)


@chunks_or_not
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_without_weight_may_hold_anything(
    build: Any, cuda_machine: Any, dtype: type, chunks: str
) -> None:
    norm = {"groups": (0, 20, 90), "shared": False}
    case = build("batch" + chunks, 2, 90, 5, dtype, codes.RELU, **norm)
    case.arguments["weight"][:, 20:60] = 0.0
    case.arguments["z"][:, 20:60] = 1e15
    cuda_machine.check(case)


@chunks_or_not
def test_group_without_weight(build: Any, cuda_machine: Any, chunks: str) -> None:
    norm = {"groups": (0, 4, 9)}
    case = build("batch_backward" + chunks, 2, 9, 5, np.float32, codes.RELU, **norm)
    case.arguments["weight"][:, 4:] = 0.0
    case.forward.arguments["weight"][:, 4:] = 0.0
    cuda_machine.check(case.forward)
    cuda_machine.check(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", codes.ACTIVATIONS)
def test_nan_stays_visible_forward(
    cases: Any, cuda_machine: Any, activation: str, dtype: type
) -> None:
    case = cases.affine(1, 7, 5, dtype, codes.ACTIVATIONS[activation])
    case.arguments["z"][0, 3, 2] = np.nan
    got = np.isnan(cuda_machine.run(case)["out"])
    np.testing.assert_array_equal(got, np.isnan(case.run(reference)["out"]))
    assert got[0, 3, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kernel", FORWARD[:3])
def test_divergence_stays_visible_forward(
    build: Any, cuda_machine: Any, kernel: str, bad: float
) -> None:
    case = build(kernel, 1, 40, 8, np.float32, codes.RELU)
    case.arguments["z"][0, 3, 2] = bad
    with np.errstate(invalid="ignore"):
        got, want = cuda_machine.run(case), case.run(reference)
    np.testing.assert_array_equal(np.isnan(got["out"]), np.isnan(want["out"]))
    assert np.isnan(got["out"][0, 3, 2])


@pytest.mark.parametrize("kernel", BACKWARD)
def test_nan_stays_visible_backward(build: Any, cuda_machine: Any, kernel: str) -> None:
    case = build(kernel, 1, 40, 8, np.float32, codes.RELU)
    case.arguments["dout"][0, 3, 2] = np.nan
    got, want = cuda_machine.run(case), case.run(reference)
    for name in ("dout", "dshift"):
        np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(want[name]))
    assert np.isnan(got["dout"][0, 3, 2])


@pytest.mark.parametrize(
    ("kernel", "name"),
    [("batch", "scale"), ("batch", "z"), ("layer", "z"), ("affine", "shift")]
    + [(kernel, "dout") for kernel in BACKWARD],
)
def test_arrays_are_contiguous(build: Any, host_cuda: Any, kernel: str, name: str) -> None:
    case = build(kernel, 2, 7, 5, np.float32, codes.RELU)
    with pytest.raises(ValueError, match=f"{name} must be a C-contiguous array"):
        case.run(cuda, strided(case, name))


def strided(case: Any, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """A conversion of arrays that leaves gaps between the values of one."""

    def convert(array: np.ndarray) -> np.ndarray:
        return np.repeat(array, 2, axis=-1)[..., ::2] if array is case.arguments[name] else array

    return convert


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize(("width", "itemsize"), [(1, 4), (4, 4), (1, 8), (2, 8)])
def test_tiles(width: int, itemsize: int, copies: int) -> None:
    """Blocks cover the columns within the shared memory; a stack has the same rows of threads."""
    rng = np.random.default_rng(0)
    for blocks, rows in (10 ** rng.uniform(0, 4, (100, 2))).astype(int).tolist():
        columns, limit = blocks * width, tiles.HELD_BYTES
        chosen = [tiles.chunked_tile(width, itemsize, columns)]
        for parts in (1, 64, 10_000):
            held = tiles.held_tile(width, itemsize, columns, rows, parts, copies, 3, limit)
            if held:
                tile, shared = held
                assert copies * rows * tile.across * width * itemsize < shared <= limit
                chosen.append(tile)
        assert len({tile.down for tile in chosen[1:]}) <= 1
        for tile in chosen:
            assert tile.across * tile.down in (32, 64, 128, 256) and tile.across <= 32
            assert 0 <= tile.number * tile.across * width - columns < tile.across * width


def test_stacks_take_wider_tiles() -> None:
    across = [tiles.held_tile(4, 4, 256, 256, K, 1, 3, tiles.HELD_BYTES)[0].across for K in (1, 64)]
    assert across == [2, 4]


def test_chunks() -> None:
    assert [tiles.chunk_size(n, 16, 128) for n in (1, 32_768, 65_536, 10**6)] == [
        128,
        128,
        256,
        4096,
    ]
