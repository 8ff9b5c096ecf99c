"""Calls of kernels that are put together once, and made by one call of machine code."""

from collections.abc import Sequence

import numpy as np

from sknorm.backends.executors.records import Recorder
from sknorm.backends.program import Operation
from sknorm.kernels.cpu.machine_code import make_calls


class Calls:
    """Makes the calls of operations for all members of a stack, one member after another.

    One thread at a time: the arrays of the operations are read and written.

    Parameters
    ----------
    operations : sequence of Operation
        Their arrays have one part for each member, or one for all, and change their contents only.
    members : int
    """

    def __init__(self, operations: Sequence[Operation], members: int) -> None:
        words: list[int] = []
        strides: list[int] = []
        calls = []
        recorder = Recorder(members)
        self._arrays = []  # whose addresses the records hold
        for operation in operations:
            made = recorder.record(operation)
            calls.append((made.adapter, len(words)))
            words += made.words
            strides += made.strides
            self._arrays += [array for _, array in made.arrays]
        table = np.array(words)
        self._made = members, table, np.array(strides), np.array(calls), np.empty_like(table)

    def __call__(self) -> None:
        make_calls(*self._made)
