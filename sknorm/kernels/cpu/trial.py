"""Whether this environment lets kernels be called by address."""

from functools import cache
from typing import Any

import numba
import numpy as np

from sknorm._warnings import warn
from sknorm.kernels.cpu.compiler import kernel


class MachineCodeWarning(UserWarning):
    """Kernels cannot be called by address, so that Python takes each step."""


@cache
def works() -> bool:
    """Whether adapters do what they should with this version of Numba; a warning says if not."""
    reason = "a trial gave a wrong result"
    try:
        found = _trial()
    except Exception as error:  # whatever another version may raise
        found, reason = False, f"{type(error).__name__}: {error}"
    if not found:
        warn(
            f"sknorm cannot call its kernels by address with Numba {numba.__version__} ({reason}), "
            "so that small networks train some two times slower. Results stay the same. Another "
            "version of Numba may help.",
            MachineCodeWarning,
        )
    return found


def _trial() -> bool:
    """Whether a kernel and a product that are called by their records write what they should."""
    from sknorm.kernels.cpu import blas, machine_code  # may not load

    values, out = np.arange(6.0)[::2], np.zeros((2, 3))
    signature = tuple(map(numba.typeof, (values, 0, 2.0, out)))
    scaled: list[Any] = [machine_code.address(_scaled, signature), values, 3, *values.strides]
    scaled += [int(np.float64(2.0).view(np.int64)), out, *out.shape]
    left, right, product = np.eye(2) + 1.0, np.arange(6.0).reshape(2, 3), np.zeros((2, 3))
    call, matrices = blas.product(left, right, product), {"a": left, "b": right, "out": product}
    if call is None:
        return False
    told = [matrices[each] if isinstance(each, str) else each for each in call.arguments]
    words = np.array([_word(each) for each in (*scaled, call.address, *told)])
    calls = np.array([[machine_code.adapter(signature, 1), 0], [call.adapter, len(scaled)]])
    none, quantities = np.zeros(1, dtype=np.int64), np.zeros((1, 1, 1))
    machine_code.take_steps(
        *(0, 0, 1, 5, none, none, none[None], quantities, words, np.zeros_like(words), calls),
        *(np.array([0, 2]), np.array([[_word(none), 1]]), quantities[0], np.empty_like(words)),
    )
    return out[0].tolist() == [5.0, 9.0, 13.0] and bool(np.all(product == left @ right))


def _word(value: Any) -> int:
    return int(value.ctypes.data) if isinstance(value, np.ndarray) else int(value)


@kernel
def _scaled(values, number, factor, out):
    """What the trial calls."""
    for i in range(out.shape[1]):
        out[0, i] = values[i] * factor + number
