"""The compiled kernels against the specification."""

import inspect
import os
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_case import LOSSES, OUTPUTS

from sknorm.kernels import codes, cpu, reference

DTYPES = [np.float32, np.float64]
STACKS = [1, 3]
SHAPES = [(1, 1), (1, 67), (2, 5), (7, 1), (7, 64), (33, 5), (33, 67), (33, 130)]
GHOSTS = {1: (0, 1), 2: (0, 1, 2), 7: (0, 3, 7), 33: (0, 10, 20, 33)}
WIDTHS = [31, 32, 33, 64, 65, 100, 600]  # around tiles of columns, and too wide for them
RATES = [0.0, 0.4]
FLAGS = [False, True]
# Every activation is compiled into affine blocks, in both precisions. The code is the same in the
# others, so these have in each precision one activation whose derivative is computed twice, and
# one whose derivative is stored: each kernel takes a second or more to compile. In float32 the
# default run leaves out activations of which others have all parts, and no other test needs.
SINGLE, DOUBLE = DTYPES
BLOCKS = {
    "affine": [(name, dtype) for name in codes.ACTIVATIONS for dtype in DTYPES],
    "batch": [
        ("relu", SINGLE), ("relu", DOUBLE), ("identity", SINGLE), ("silu", SINGLE),
        ("gelu", DOUBLE),
    ],
    "layer": [(name, dtype) for name in ("relu", "silu") for dtype in DTYPES],
}  # fmt: skip
SELDOM = {"identity", "logistic", "leaky_relu", "elu", "selu"}


def marked(*case: Any) -> Any:
    """A case whose last two values are an activation and its dtype."""
    activation, dtype = case[-2:]
    seldom = activation in SELDOM and dtype is SINGLE
    return pytest.param(*case, marks=pytest.mark.thorough if seldom else [])


EVERY_ACTIVATION = [marked(*how) for how in BLOCKS["affine"]]
EVERY_BLOCK = [marked(block, *how) for block, pairs in BLOCKS.items() for how in pairs]


def sampled(count: int, *axes: list) -> list[tuple]:
    """Combinations, drawn so that values of an axis are equally frequent.

    The whole product would take minutes.
    """
    rng = np.random.default_rng(0)
    order = [rng.permutation(np.arange(count) % len(axis)) for axis in axes]
    return [
        tuple(axis[i] for axis, i in zip(axes, row, strict=True))
        for row in zip(*order, strict=True)
    ]


def inner(d: int, part: bool) -> tuple[int, int]:
    """All columns, or some in the middle."""
    return (d // 3, d - d // 4) if part else (0, d)


def check(case: Any, ulps: float = 100.0) -> None:
    """The compiled kernel does what the reference does with the same arguments."""
    case.compare(case.run(cpu), case.run(reference), ulps)


OF_DEVICES = {"begin_step"}  # the host launches steps one by one


def test_every_kernel_is_compiled() -> None:
    assert set(reference.__all__) - OF_DEVICES <= set(cpu.__all__)


# NumPy's own matmul is the kernel, and names its parameters itself.
@pytest.mark.parametrize("name", sorted(set(reference.__all__) - OF_DEVICES - {"matmul"}))
def test_signatures_are_the_same(name: str) -> None:
    function = getattr(cpu, name)
    got = inspect.signature(getattr(function, "py_func", function)).parameters.values()
    want = inspect.signature(getattr(reference, name)).parameters.values()
    assert [(p.name, p.kind, p.default) for p in got] == [(p.name, p.kind, p.default) for p in want]


@pytest.mark.parametrize("backward", FLAGS)
@pytest.mark.parametrize(("block", "activation", "dtype"), EVERY_BLOCK)
def test_blocks(cases: Any, block: str, activation: str, dtype: type, backward: bool) -> None:
    build, code = getattr(cases, block + "_backward" * backward), codes.ACTIVATIONS[activation]
    axes = (STACKS, SHAPES, RATES, FLAGS, FLAGS, FLAGS)
    for K, (n, d), rate, ghost, shared, part in sampled(12, *axes):
        groups = GHOSTS[n] if ghost else (0, n)
        more = {
            "affine": (inner(d, part),), "batch": (groups, shared, inner(d, part)), "layer": (),
        }[block]  # fmt: skip
        check(build(K, n, d, dtype, code, rate, *more))


@pytest.mark.parametrize("activation", ["relu", "silu"])
@pytest.mark.parametrize("width", WIDTHS)
def test_batch_blocks_of_any_width(cases: Any, width: int, activation: str) -> None:
    for build in (cases.batch, cases.batch_backward):
        for rate, ghost, part in sampled(4, RATES, FLAGS, FLAGS):
            groups, columns = GHOSTS[33] if ghost else (0, 33), inner(width, part)
            code = codes.ACTIVATIONS[activation]
            check(build(3, 33, width, np.float32, code, rate, groups, False, columns))


@pytest.mark.parametrize("width", [130, 600])
def test_columns_of_batch_blocks_do_not_depend_on_the_cut(cases: Any, width: int) -> None:
    whole = cases.batch_backward(2, 33, width, np.float32, codes.RELU, 0.4, GHOSTS[33])
    bounds = [0, 31, 63, 96, 128, width]
    for start, stop in pairwise(bounds):
        forward = whole.forward._replace(
            arguments=whole.forward.arguments | {"start": start, "stop": stop}
        )
        part = whole._replace(
            arguments=whole.arguments | {"start": start, "stop": stop}, forward=forward
        )
        for case, other in ((forward, whole.forward), (part, whole)):
            got, want = case.run(cpu), other.run(cpu)
            for name in filter(case.is_output, want):
                columns = (..., slice(start, stop))
                np.testing.assert_array_equal(got[name][columns], want[name][columns], name)


@pytest.mark.parametrize(("activation", "dtype"), EVERY_ACTIVATION)
def test_values_do_not_depend_on_their_column(cases: Any, activation: str, dtype: type) -> None:
    """Those at the end of a row, which do not fill a vector, are as the others, to the bit."""
    backward = cases.affine_backward(1, 97, 97, dtype, codes.ACTIVATIONS[activation], 0.0)
    forward = cases.affine(1, 97, 97, dtype, codes.ACTIVATIONS[activation], 0.0)
    values = cases.rng.normal(0.0, 2.0, 97)
    z = np.stack([np.roll(values, i) for i in range(97)])[None].astype(dtype)
    same = {"z": z, "shift": np.full((1, 97), 0.25, dtype), "dout": np.ones_like(z)}
    for case, name in ((forward, "out"), (backward, "dout")):
        own = {key: same[key] for key in same.keys() & case.arguments.keys()}
        found = case._replace(arguments=case.arguments | own).run(cpu)[name][0]
        for i, row in enumerate(found):
            np.testing.assert_array_equal(np.roll(row, -i), found[0], f"{name} {i}")


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_masks_that_are_kept(cases: Any, block: str, activation: str) -> None:
    """They are what the dropout kernel drops, and nothing else changes by them."""
    size = (3, 33, 67, np.float32, codes.ACTIVATIONS[activation], 0.4)
    backward = getattr(cases, f"{block}_backward")(*size)
    forward = backward.forward or getattr(cases, block)(*size)
    forward.arguments["seed"][...] = backward.arguments["seed"]
    key = {name: backward.arguments[name] for name in ("rate", "seed", "step", "layer")}
    alone = cases.dropout(3, 33, 67, np.float32)._replace(
        arguments=key | {"out": np.ones((3, 33, 67))}
    )
    kept = (alone.run(cpu)["out"] > 0.0).astype(np.uint8)
    kept[key["rate"] == 0.0] = 7
    mask = np.full((3, 33, 67), 7, dtype=np.uint8)
    noting = forward._replace(arguments=forward.arguments | {"mask": mask})
    want, got = forward.run(cpu), noting.run(cpu)
    np.testing.assert_array_equal(got["out"], want["out"])
    np.testing.assert_array_equal(got["mask"], kept)
    reading = backward._replace(arguments=backward.arguments | {"mask": kept})
    want, got = backward.run(cpu), reading.run(cpu)
    for name in filter(backward.is_output, want):
        np.testing.assert_array_equal(got[name], want[name], name)


@pytest.mark.parametrize("width", [40, 600])
def test_batch_blocks_of_a_member_do_not_depend_on_the_stack(cases: Any, width: int) -> None:
    case = cases.batch_backward(3, 33, width, np.float32, codes.RELU, 0.4, GHOSTS[33], False)
    shared = {"groups"}
    check_alone(case.forward, set(case.forward.arguments) - shared)
    check_alone(case, set(case.arguments) - shared)


@pytest.mark.parametrize(("activation", "dtype"), EVERY_ACTIVATION)
def test_activations_far_from_zero(cases: Any, activation: str, dtype: type) -> None:
    size = (1, 8, 33, dtype, codes.ACTIVATIONS[activation])
    for build in (cases.affine, cases.affine_backward):
        case = build(*size)
        size_of = np.logspace(-8, 4, 132)
        case.arguments["z"][...] = np.stack([size_of, -size_of]).reshape(1, 8, 33)
        case.arguments["shift"][...] = 0.0
        check(case)


@pytest.mark.parametrize("dtype", DTYPES)
def test_outputs_may_be_inputs(cases: Any, dtype: type) -> None:
    losses = [cases.loss(name, 3, 67, o, dtype) for name in LOSSES for o in (1, 5)]
    for case in [cases.affine(3, 7, 5, dtype), *losses]:
        want = case.run(reference)
        a = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in case.arguments.items()}
        a["out"] = a["z"]
        getattr(cpu, case.kernel)(*a.values())
        np.testing.assert_allclose(a["out"], want["out"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_losses(cases: Any, name: str, dtype: type, K: int) -> None:
    for n, o in [(1, 1), (2, 5), (7, 2), (33, 1), (33, 17)]:
        for shared in FLAGS:
            check(cases.loss(name, K, n, o, dtype, shared))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("x_dtype", DTYPES)
@pytest.mark.parametrize(("R", "M"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_gather(cases: Any, dtype: type, x_dtype: type, R: int, M: int) -> None:
    for n, d in SHAPES:
        for classes in FLAGS:
            check(cases.gather(R, M, n, d, dtype, x_dtype, classes))


@pytest.mark.parametrize("x_dtype", DTYPES)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_gather_sparse(cases: Any, x_dtype: type, index: type) -> None:
    stacks = [(1, 1), (1, 3), (3, 1), (3, 3)]
    for dtype, (R, M), (n, d) in sampled(24, DTYPES, stacks, SHAPES):
        check(cases.gather_sparse(R, M, n, d, dtype, x_dtype, index))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("R", "K"), [(1, 1), (1, 3), (3, 3)])
def test_categories(cases: Any, dtype: type, R: int, K: int) -> None:
    for n, d in SHAPES:
        check(cases.take_codes(R, n, (3, 1, 9)))
        check(cases.drop_codes(K, n, 3))
        check(cases.category_rows(R, K, n, d, dtype))
        check(cases.category_rows_backward(R, K, n, d, dtype))
        check(cases.embedding(R, K, n, dtype))
        check(cases.embedding_backward(R, K, n, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("R", "K", "V"), [(1, 1, 1), (1, 3, 1), (1, 3, 2), (3, 3, 1), (3, 3, 3)])
def test_numbers(cases: Any, dtype: type, R: int, K: int, V: int) -> None:
    for n in (1, 2, 7, 33):
        check(cases.number_embedding(R, K, n, dtype, V))
        check(cases.number_embedding_backward(R, K, n, dtype, V))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [127, 128, 129, 300])
def test_numbers_of_many_rows(cases: Any, dtype: type, n: int) -> None:
    """Rows are taken 128 at a time, ends of bins by fours, and widths by the lanes of vectors."""
    plan = ((0, 8, 0, 0, 16), (8, 37, 136, 16, 7), (45, 16, 432, 23, 2), (61, 1, 480, 25, 1))
    check(cases.number_embedding(2, 2, n, dtype, plan=plan))
    check(cases.number_embedding_backward(2, 2, n, dtype, plan=plan))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_rows(cases: Any, dtype: type, K: int) -> None:
    for n, d in SHAPES:
        check(cases.onto("add", K, n, d, dtype))
        check(cases.onto("copy", K, n, d, dtype))
        check(cases.dropout(K, n, d, dtype))
        check(cases.extremes(K, n, d, dtype))
        check(cases.noise(K, n, d, dtype))
        check(cases.mixup(K, n, d, dtype))
        check(cases.squash(K, n, d, dtype))
        for flag in FLAGS:
            check(cases.moments(K, n, d, dtype, flag))
            check(cases.matmul(K, flag, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_steps(cases: Any, dtype: type, K: int) -> None:
    for momentum, nesterov in [(0.0, False), (0.9, False), (0.9, True)]:
        check(cases.sgd(K, dtype, momentum, nesterov))
    for decoupled in FLAGS:
        check(cases.adam(K, dtype, decoupled))
    for max_norm in (0.5, 1e3):
        check(cases.clip(K, dtype, max_norm))
    check(cases.norms(K, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_steps_of_neighbouring_segments(cases: Any, dtype: type, K: int) -> None:
    """Which are stepped together do what they do one by one."""
    for case in (cases.sgd(K, dtype, 0.9, True), cases.adam(K, dtype, False)):
        begin, size, code = case.arguments["segments"][2]
        cut = [[begin, 91, code], [begin + K * 91, 10, code], [begin + K * 101, size - 101, code]]
        segments = case.arguments["segments"]
        segments = np.concatenate([segments[:2], np.array(cut), segments[3:]])
        check(case._replace(arguments=case.arguments | {"segments": segments}))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3])
def test_a_parameter_steps_alike_wherever_it_stands(
    cases: Any, dtype: type, l1_ratio: float
) -> None:
    """In vector code, and in what is left over after it."""
    every = [cases.sgd(1, dtype, 0.9, flag) for flag in FLAGS]
    every += [cases.adam(1, dtype, flag) for flag in FLAGS]
    for case, code in product(every, [codes.ELASTIC_NET, codes.L0]):
        names = [name for name, each in case.arguments.items() if np.size(each) > 100]
        whole: dict[str, Any] = {}
        for size in (100, *range(1, 20)):
            own = {name: case.arguments[name][:size] for name in names}
            own |= {"segments": np.array([[0, size, code]]), "l1_ratio": np.array([l1_ratio])}
            out = case._replace(arguments=case.arguments | own).run(cpu)
            whole = whole or out
            for name in names:
                np.testing.assert_array_equal(out[name], whole[name][:size], err_msg=f"{size}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_proximal_steps_of_matrices(cases: Any, dtype: type, K: int) -> None:
    for inputs, outputs in [*SHAPES, (3, 2500)]:
        size = (K, inputs, outputs, dtype)
        check(cases.group_norms(*size))
        check(cases.spectrum(*size))
        for flag in FLAGS:
            check(cases.sgd_group(*size, flag))
            check(cases.adam_group(*size, flag))
        check(cases.adam_group(*size, False, decades=6.0))


def test_groups_that_are_zero_stay_so_under_any_strength(cases: Any) -> None:
    case = cases.adam_group(1, 7, 64, np.float32, False)
    case.arguments["strength"][...] = 1e-40
    out = case.run(cpu)["weight"]
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out == 0, case.arguments["weight"] == 0)


def test_masks_are_the_same_bits(cases: Any) -> None:
    case = cases.dropout(3, 200, 67, np.float32)
    np.testing.assert_array_equal(case.run(cpu)["out"] == 0, case.run(reference)["out"] == 0)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_a_member_do_not_depend_on_the_stack(cases: Any, name: str) -> None:
    case = cases.loss(name, 3, 9, 4, np.float32, False)
    check_alone(case, {"z", "bias", "y", "factor", "parameter", "value", "dbias", "out"})


def test_noise_of_a_member_does_not_depend_on_the_stack(cases: Any) -> None:
    check_alone(cases.noise(3, 33, 67, np.float32), {"deviation", "seed", "out"})


def test_mixtures_of_a_member_do_not_depend_on_the_stack(cases: Any) -> None:
    check_alone(cases.mixup(3, 33, 67, np.float32), {"share", "x", "y", "weight"})


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_a_member_do_not_depend_on_the_stack(cases: Any, dtype: type) -> None:
    for build in (cases.number_embedding, cases.number_embedding_backward):
        for n in (33, 131):
            case = build(3, 3, n, dtype)
            check_alone(case, set(case.arguments) - {"low", "gain", "plan"})


@pytest.mark.parametrize("dtype", DTYPES)
def test_proximal_steps_of_a_member_do_not_depend_on_the_stack(cases: Any, dtype: type) -> None:
    size = (3, 33, 67, dtype)
    stacked = {"weight", "velocity", "second", "monitor", "threshold", "norms"}
    stacked |= {"rate", "strength", "correction"}
    steps = [build(*size, flag) for build in (cases.sgd_group, cases.adam_group) for flag in FLAGS]
    for case in [*steps, cases.group_norms(*size), cases.spectrum(*size)]:
        check_alone(case, stacked)


def last(case: Any, stacked: set[str]) -> Any:
    """The case of the last member, of arrays that are ``stacked``."""
    arguments = {
        name: value[2:].copy() if name in stacked and isinstance(value, np.ndarray) else value
        for name, value in case.arguments.items()
    }
    forward = case.forward and last(case.forward, stacked | OUTPUTS)
    return case._replace(arguments=arguments, forward=forward)


def check_alone(case: Any, stacked: set[str]) -> None:
    """The last member alone gives the same bits."""
    want, got = case.run(cpu), last(case, stacked).run(cpu)
    for name in filter(case.is_output, want):
        np.testing.assert_array_equal(got[name], want[name][2:], err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["absolute_error", "huber", "pinball", "squared_error"])
def test_no_slope_at_the_target(cases: Any, name: str, dtype: type) -> None:
    case = cases.loss(name, 2, 7, 1, dtype)
    case.arguments["bias"][...] = 0.0
    case.arguments["z"][...] = case.arguments["y"]
    got = case.run(cpu)
    np.testing.assert_array_equal(got["out"], 0.0)
    np.testing.assert_array_equal(got["value"], case.arguments["value"])


@pytest.mark.parametrize("groups", [(0, 999), (0, 333, 999)])
def test_large_means_in_float32(cases: Any, groups: tuple[int, ...]) -> None:
    """Statistics and outputs agree with float64 to 1e-6 at a mean of 1e4 deviations."""
    single = cases.batch(2, 999, 40, np.float32, codes.RELU, 0.0, groups, False)
    z = 1e4 + cases.rng.normal(size=(2, 999, 40))
    single.arguments["z"] = z.astype(np.float32)
    single.arguments["momentum"][...] = 1.0
    double = single._replace(
        arguments={
            name: value.astype(np.float64) if getattr(value, "dtype", None) == np.float32 else value
            for name, value in single.arguments.items()
        }
    )
    got, want = single.run(cpu), double.run(reference)
    np.testing.assert_allclose(got["out"], want["out"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got["running"], want["running"], rtol=1e-6)
    mean, expected = (s[:, :, 0].astype(np.float64) + s[:, :, 1] for s in
                      (got["statistics"], want["statistics"]))  # fmt: skip
    np.testing.assert_allclose(mean, expected, rtol=1e-11)
    np.testing.assert_allclose(
        got["statistics"][:, :, 2:4], want["statistics"][:, :, 2:4], rtol=1e-6
    )


def test_group_without_weight(cases: Any) -> None:
    case = cases.batch_backward(2, 9, 5, np.float32, codes.SILU, groups=(0, 4, 9))
    case.arguments["weight"][:, 4:] = 0.0
    case.forward.arguments["weight"][:, 4:] = 0.0
    check(case.forward)
    check(case)


# Without the package's own __init__: to import scikit-learn takes longer than all the rest.
APPLY = """
import importlib.util, sys
import numpy as np
sys.modules["sknorm"] = importlib.util.module_from_spec(importlib.util.find_spec("sknorm"))
from sknorm.kernels import cpu
z, one, zero = np.array([[[1.0, -1.0]]]), np.ones((1, 2)), np.zeros(1)
for code in map(int, sys.argv[1:]):
    out = np.empty((1, 1, 2))
    seed = np.zeros(1, dtype=np.uint32)
    key = zero, seed, 0, 0, np.zeros((1, 0, 0), dtype=np.uint8)
    cpu.layer_block_forward(z.copy(), one, one, 1e-5, code, *key, np.empty((1, 1)), out)
    print(out[0, 0, 0])
"""


def test_kernels_compiled_by_different_processes_do_not_mix(tmp_path: Path) -> None:
    """Machine code on disk carries symbol names, which the processes must not share."""

    def apply(*activations: int) -> list[float]:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", APPLY, *map(str, activations)],
            env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return [float(line) for line in done.stdout.split()]

    alone = apply(codes.LEAKY_RELU) + apply(codes.TANH)
    np.testing.assert_allclose(alone, [2.0, np.tanh(2.0)], rtol=1e-5)
    np.testing.assert_array_equal(apply(codes.LEAKY_RELU, codes.TANH), alone)
