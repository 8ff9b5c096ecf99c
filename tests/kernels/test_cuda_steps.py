"""The CUDA kernels of optimizers, against the specification."""

from typing import Any

import numpy as np
import pytest
from kernel_case import Case

from sknorm.kernels import codes, cuda, reference

DTYPES = [np.float32, np.float64]
STACKS = [1, 3]
FLAGS = [False, True]


def every_step(cases: Any, K: int, dtype: type) -> list[Case]:
    steps = [cases.sgd(K, dtype, *how) for how in ((0.0, False), (0.9, False), (0.9, True))]
    return steps + [cases.adam(K, dtype, flag) for flag in FLAGS]


def large(case: Any, rng: np.random.Generator, K: int) -> Any:
    """The same step on parameters of many chunks, one of them of a single value.

    The one behind it has the length of a chunk, but does not start at a multiple of 16 bytes.
    """
    return resized(case, rng, K, [5000, 1, 1024, 2311])


def resized(case: Case, rng: np.random.Generator, K: int, lengths: list[int]) -> Case:
    """The same step on parameters of these sizes, under all penalties in turn."""
    sizes = np.array(lengths)
    offsets = K * np.concatenate([[0], np.cumsum(sizes)[:-1]])
    penalties = np.resize(
        [codes.ELASTIC_NET, codes.L0, codes.ELASTIC_NET, codes.UNPENALIZED], len(sizes)
    )
    changed = {"segments": np.stack([offsets, sizes, penalties], axis=1).astype(np.int64)}
    for name, value in case.arguments.items():
        if name in ("parameters", "gradient", "velocity", "first", "second"):
            changed[name] = (rng.normal(size=K * sizes.sum()) ** 2).astype(value.dtype)
    return case._replace(arguments=case.arguments | changed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_steps(cases: Any, cuda_machine: Any, K: int, dtype: type) -> None:
    for case in every_step(cases, K, dtype):
        cuda_machine.check(case)
        cuda_machine.check(case, shift=case.arguments["parameters"].itemsize)
    for max_norm in (0.5, 1e3):
        cuda_machine.check(cases.clip(K, dtype, max_norm))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", [3, 1000])  # chunks in the blocks' loops, or a block each
def test_many_chunks(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch, dtype: type, limit: int
) -> None:
    monkeypatch.setattr(cuda.steps, "_BLOCKS", limit)
    for case in (*every_step(cases, 3, dtype), cases.clip(3, dtype, 0.5)):
        cuda_machine.check(large(case, cases.rng, 3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_restore_norms(cases: Any, cuda_machine: Any, K: int, dtype: type) -> None:
    for shape in [(9, 5), (1, 1), (100, 33), (67, 1), (5000, 1)]:
        case = cases.norms(K, dtype)
        weight = cases.rng.normal(size=(K, *shape)).astype(dtype)
        weight[:, :, 2:3] = 0.0
        if K > 1 and shape[1] == 1:
            weight[2] = 0.0
        cuda_machine.check(case._replace(arguments=case.arguments | {"weight": weight}))


def alone(case: Case) -> Case:
    """The last of three members."""
    arguments = {"segments": case.arguments["segments"] // [3, 1, 1]}
    ends = 3 * np.cumsum(arguments["segments"][:, 1])[:-1]
    for name, value in case.arguments.items():
        if name in ("parameters", "gradient", "velocity", "first", "second"):
            runs = np.split(value, ends)
            arguments[name] = np.concatenate([run.reshape(3, -1)[2] for run in runs])
        elif name in ("rate", "alpha", "l1_ratio", "correction", "monitor"):
            arguments[name] = value[2:]
    return case._replace(arguments=case.arguments | arguments)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "sizes", [[35, 7, 130, 67], [35, 7, 91, 39, 67], [64, 1030, 8, 3001, 5]], ids=str
)
def test_a_members_step_does_not_depend_on_the_stack(
    cases: Any, cuda_machine: Any, dtype: type, sizes: list[int]
) -> None:
    """Wherever the stack has its runs begin, which decides what can be read at once."""
    steps = [*every_step(cases, 3, dtype), cases.clip(3, dtype, 0.5)]
    for case in (resized(step, cases.rng, 3, sizes) for step in steps):
        got, stack = cuda_machine.run(alone(case)), cuda_machine.run(case)
        want = alone(case._replace(arguments=case.arguments | stack)).arguments
        for name in got:
            np.testing.assert_array_equal(got[name], want[name], name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inputs", [67, 1030, 5000])
def test_a_members_norm_does_not_depend_on_the_stack(
    cases: Any, cuda_machine: Any, dtype: type, inputs: int
) -> None:
    weight = cases.rng.normal(size=(3, inputs, 1)).astype(dtype)
    case = cases.norms(3, dtype)
    case = case._replace(arguments=case.arguments | {"weight": weight})
    alone = {"weight": weight[2:], "active": case.arguments["active"][2:]}
    got = cuda_machine.run(case._replace(arguments=case.arguments | alone))
    np.testing.assert_array_equal(got["weight"], cuda_machine.run(case)["weight"][2:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_visible(cases: Any, cuda_machine: Any, dtype: type) -> None:
    for case in every_step(cases, 3, dtype):
        case.arguments["gradient"][[3, 40, 80, 700]] = np.nan
        got, want = cuda_machine.check(case), case.run(reference)
        assert np.isnan(want["parameters"]).sum() == 4
        for name in ("parameters", "monitor"):
            np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(want[name]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_a_penalty_tiny_weights_stay(cases: Any, cuda_machine: Any, dtype: type) -> None:
    """Weights whose squares are zero."""
    case = cases.sgd(1, dtype, 0.0, False)
    case.arguments["segments"][:, 2] = codes.L0
    case.arguments["alpha"][...] = case.arguments["gradient"][...] = 0.0
    case.arguments["velocity"][...] = 0.0
    case.arguments["parameters"][...] = np.finfo(dtype).tiny
    assert np.all(cuda_machine.check(case)["parameters"] == np.finfo(dtype).tiny)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("many", FLAGS)
def test_clip_leaves_divergence_alone(
    cases: Any, cuda_machine: Any, bad: float, many: bool
) -> None:
    case = cases.clip(3, np.float32, 0.5)
    case = large(case, cases.rng, 3) if many else case
    case.arguments["gradient"][40] = bad
    cuda_machine.check(case)


def test_arrays_must_be_contiguous(cases: Any, host_cuda: Any) -> None:
    steps = [cases.sgd(3, np.float32, 0.9, True), cases.adam(3, np.float32, True)]
    for case in (*steps, cases.clip(3, np.float32, 0.5), cases.norms(3, np.float32)):
        for name, value in case.arguments.items():
            if not isinstance(value, np.ndarray) or name == "segments":
                continue
            apart = np.repeat(value, 2, axis=-1)[..., ::2]
            with pytest.raises(ValueError, match=f"^{name} must be a C-contiguous"):
                getattr(cuda, case.kernel)(*(case.arguments | {name: apart}).values())
