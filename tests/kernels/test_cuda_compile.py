"""The CUDA sources compile for the devices that they are meant for, without spilled registers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cuda_instances import INSTANCES
from nvrtc import compile_kernels

from sknorm.kernels.cuda.launcher import OPTIONS, code, launch

# All kernels are compiled for the first, a ninth of them for each of the others, to save time. Of
# sources with the ten activations it is every 7th, in which each kernel meets all its types and
# widths, and each source all activations, from the one that takes most registers on, and every
# 27th. `python tests/kernels/nvrtc.py sm_80` compiles all.
ARCHITECTURES = ["sm_90", "sm_75", "sm_80", "sm_100"]
STEPS, STEPS_OF_ACTIVATIONS = (1, 9), (7, 27)
SAMPLED = ("affine_", "forward_held", "normalize", "layer_")
CHUNK = 24  # kernels of one test

SOURCES = Path(launch.__code__.co_filename).parent / "sources"


def chunks() -> Iterator[tuple[str, str, list[str]]]:
    """Kernels that are compiled together."""
    for source, expressions in INSTANCES.items():
        sampled = any(each.startswith(SAMPLED) for each in expressions)
        first, others = STEPS_OF_ACTIVATIONS if sampled else STEPS
        for place, architecture in enumerate(ARCHITECTURES):
            found = expressions[::-1][place :: others if place else first]
            for start in range(0, len(found), CHUNK):
                yield source, architecture, found[start : start + CHUNK]


def test_every_source_has_instances() -> None:
    assert {path.stem for path in SOURCES.glob("*.cu")} == set(INSTANCES)


def cases() -> Iterator[Any]:
    """The chunks; of the other devices, a third in the default run."""
    for number, chunk in enumerate(chunks()):
        seldom = chunk[1] != ARCHITECTURES[0] and number % 3
        marks = [pytest.mark.thorough] if seldom else []
        yield pytest.param(*chunk, id=f"{chunk[0]}-{chunk[1]}-{chunk[2][0]}", marks=marks)


@pytest.mark.parametrize(("source", "architecture", "expressions"), list(cases()))
def test_sources_compile(source: str, architecture: str, expressions: list[str]) -> None:
    usage = compile_kernels(code(source), expressions, architecture, OPTIONS)
    assert all(each.registers > 0 for each in usage.values())
    assert {name: each for name, each in usage.items() if each.spilled_bytes} == {}


def test_errors_are_told() -> None:
    broken = "template <typename T> __global__ void kernel(T *out) { *out = nothing; }"
    with pytest.raises(RuntimeError, match='identifier "nothing" is undefined'):
        compile_kernels(broken, ["kernel<float>"], "sm_90", OPTIONS)


def test_spills_are_told() -> None:
    hungry = """
    template <typename T> __global__ void __launch_bounds__(1024) kernel(T *out) {
        T v[96];
#pragma unroll
        for (int i = 0; i < 96; ++i) v[i] = out[i * 1024 + threadIdx.x];
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 96; ++i) out[i * 1024 + threadIdx.x] = v[95 - i];
    }
    """
    usage = compile_kernels(hungry, ["kernel<double>"], "sm_90", OPTIONS)["kernel<double>"]
    assert usage.spilled_bytes > 0
