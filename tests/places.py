"""Where tests put arrays, and whether scikit-learn computes there."""

from collections.abc import Callable, Iterable
from typing import Any

import array_api_strict as strict
import pytest

PLACES = ["cpu", "device1", pytest.param("cupy", marks=pytest.mark.gpu)]
# Each place and each way of dispatching once, for tests that have many cases besides.
each_place_once = pytest.mark.parametrize(
    ("put", "dispatch"),
    [
        ("cpu", False), ("device1", True),
        *(pytest.param("cupy", flag, marks=pytest.mark.gpu) for flag in (False, True)),
    ],
    indirect=True,
)  # fmt: skip


def placed_in_turn(tasks: Iterable[str]) -> pytest.MarkDecorator:
    """Each task on one of the places; thorough on the other."""
    cases = [
        pytest.param(task, place, flag, marks=pytest.mark.thorough if (number + flag) % 2 else [])
        for number, task in enumerate(tasks)
        for place, flag in (("cpu", False), ("device1", True))
    ]
    cases += [
        pytest.param(task, "cupy", flag, marks=pytest.mark.gpu)
        for task in tasks
        for flag in (False, True)
    ]
    return pytest.mark.parametrize(("task", "put", "dispatch"), cases, indirect=["put", "dispatch"])


def placing(place: str) -> Callable[[Any], Any]:
    """Places an array on one of array-api-strict's devices, or on a GPU."""
    if place == "cupy":
        import cupy  # without it, or without a device, these tests fail

        return cupy.asarray
    device = strict.Device("CPU_DEVICE" if place == "cpu" else place)
    return lambda array: strict.asarray(array, device=device)
