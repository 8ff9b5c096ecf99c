"""Steps that Python does not own: tables of machine code and arguments, run by one compiled loop.

What kernels take is written down once. From then on the steps of a member run without the
interpreter, and members one after another, or side by side in threads, each for many steps at a
time: what they compute with stays in the cache.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from sknorm.backends.aligned import aligned_copy
from sknorm.backends.base import Backend
from sknorm.backends.executors.records import Recorder, address_of
from sknorm.backends.program import Operation, Part, Program, shared_out
from sknorm.kernels.cpu.machine_code import take_steps
from sknorm.kernels.cpu.team import rest_address, take_steps_together

# Seconds that a call should last at most. Between calls an interrupt is heard.
_LONGEST = 0.03

_Place = tuple[int, np.ndarray]  # of a word, and the array whose address it is


class _Gathering(NamedTuple):
    """The first call of a step, which takes rows from the table.

    Attributes
    ----------
    operation : Operation or None
        None where the table is let go of.
    call : int
        Its number among all calls.
    places : list of (int, array)
    """

    operation: Operation | None
    call: int
    places: list[_Place]


class Compiled:
    """Runs an epoch of a stack on the CPU, member by member; as :class:`Loop` otherwise.

    Parameters
    ----------
    backend : Backend
    program : Program
        Its arrays have one part for each member, or one for all, which then take turns.
    edges : sequence of (int, int)
        Where each batch of an epoch starts and ends.
    """

    def __init__(
        self, backend: Backend, program: Program, edges: Sequence[tuple[int, int]]
    ) -> None:
        self.backend, self.program = backend, program
        self.members = program.numbers.shape[1]
        self._workspace = [*program.rows.values(), *program.workspace]
        self._sizes = {size: index for index, size in enumerate(program.operations)}
        self._pace = 1  # steps a call
        self._broken = False
        self._arrays: list[_Place] = []
        self._gathered: list[_Gathering] = []
        self._write()
        self._rooms = [_Room(self._words, self._rows)]
        self.feed(edges)

    def feed(self, edges: Sequence[tuple[int, int]]) -> None:
        """Go on with other batches of the same sizes."""
        self.edges = edges
        self._starts = np.array([start for start, _ in edges])
        self._which = np.array([self._sizes[stop - start] for start, stop in edges])

    def forget(self) -> None:
        """Let go of the table, whose rows the first call of a step gathers."""
        self._gathered[:] = [_Gathering(None, each.call, []) for each in self._gathered]

    def epoch(
        self,
        program: Program,
        order: np.ndarray,
        table: np.ndarray,
        step: int,
        part: Part = None,
    ) -> None:
        """Take the steps of an epoch, always of the same program but for what gathers rows."""
        self._update()
        self._span = part or (0, len(self._starts))
        self._broken = False
        epoch = step, self._starts, self._which, order, table
        most = self._parts if self.members == 1 else self.members
        threads = 1 if most == 1 else min(self.backend.threads, most)
        if self.members == 1 and threads > 1:
            self._train_together(threads, epoch)
            return
        while len(self._rooms) < threads:
            arrays = [place for each in self._gathered for place in each.places] + self._arrays
            self._rooms.append(self._rooms[0].beside(arrays, self._workspace))
        free = deque(self._rooms)
        work = [(free, member, epoch) for member in range(self.members)]
        if threads == 1:
            for each in work:
                self._train(*each)
        else:
            self.backend.run(self._train, work, self._halt)

    def _halt(self) -> None:
        self._broken = True

    def _train(self, free: deque["_Room"], member: int, epoch: tuple) -> None:
        """Take the steps of one member."""
        room = free.pop()
        program = room.words, self._strides, self._calls, self._bounds, room.rows
        numbers = self.program.numbers
        try:
            for first, stop in self._paced():
                take_steps(member, first, stop, *epoch, *program, numbers, room.records)
        except BaseException:
            self._broken = True
            raise
        finally:
            free.append(room)

    def _train_together(self, threads: int, epoch: tuple) -> None:
        """Take the steps of one network in several threads that share its large layers out."""
        program = self._rooms[0].words, self._calls, self._shares, self._bounds, self._rows
        for first, stop in self._paced():
            meeting = np.zeros(2, dtype=np.int64)
            steps = rest_address(), first, stop, *epoch, *program, self.program.numbers
            work = [(each, threads, meeting, steps) for each in range(threads)]
            self.backend.run(self._share, work, partial(_call_off, meeting))

    def _share(self, thread: int, threads: int, meeting: np.ndarray, steps: tuple) -> None:
        """What one of the threads does of some steps."""
        try:
            take_steps_together(thread, threads, meeting, *steps)
        except BaseException:
            _call_off(meeting)
            raise

    def _paced(self) -> Iterator[tuple[int, int]]:
        """The steps of an epoch in calls that last as long as they may."""
        first, count = self._span
        while first < count and not self._broken:
            stop, started = min(count, first + self._pace), time.perf_counter()
            yield first, stop
            steps, seconds = stop - first, time.perf_counter() - started
            if 2 * seconds > _LONGEST:
                self._pace = max(1, int(steps * _LONGEST / seconds))
            elif steps == self._pace:
                self._pace = 4 * steps
            first = stop

    def _write(self) -> None:
        """Write the records of all calls."""
        words: list[int] = []
        strides: list[int] = []
        calls, shares, bounds = [], [], [0]
        recorder = Recorder(self.members)
        for operations in self.program.operations.values():
            for operation, part, waits in shared_out(operations):
                made, start = recorder.record(operation), len(words)
                calls.append((made.adapter, start))
                shares.append((part, waits))
                if operation is operations[0]:
                    call = len(calls) - 1
                    self._gathered.append(_Gathering(operation, call, made.places(start)))
                else:
                    self._arrays += made.places(start)
                words += made.words
                strides += made.strides
            bounds.append(len(calls))
        self._words, self._strides = np.array(words), np.array(strides)
        self._calls, self._bounds = np.array(calls), np.array(bounds)
        self._shares = np.array(shares, dtype=np.int64)
        self._parts = 1 + max(part for part, _ in shares)
        taken = [self.program.rows[size] for size in self.program.operations]
        self._rows = np.array([(address_of(rows), rows.size) for rows in taken])

    def _update(self) -> None:
        """Take over what gathers the rows of another table, which is in C order, too."""
        for index, operations in enumerate(self.program.operations.values()):
            operation, call = operations[0], self._gathered[index].call
            if operation is not self._gathered[index].operation:
                made, start = Recorder(self.members).record(operation), self._calls[call, 1]
                self._calls[call, 0] = made.adapter  # a table of another dtype has another one
                self._words[start : start + len(made.words)] = made.words
                self._gathered[index] = _Gathering(operation, call, made.places(start))
                del self._rooms[1:]


def _call_off(meeting: np.ndarray) -> None:
    """Let the threads that have come to a meeting go, where one is not to come."""
    meeting[1] = 1


class _Room:
    """What one thread needs of its own: records, and the arrays that members take turns with."""

    def __init__(self, words: np.ndarray, rows: np.ndarray) -> None:
        self.words, self.rows = words, rows
        self.records = np.empty_like(words)
        self.copies: list[np.ndarray] = []

    def beside(self, arrays: list[_Place], workspace: list[np.ndarray]) -> "_Room":
        """A room with copies of the workspace."""
        room = _Room(self.words.copy(), self.rows.copy())
        starts = np.array([address_of(array) for array in workspace])
        order = np.argsort(starts)
        ends = starts + [array.nbytes for array in workspace]
        room.copies = [aligned_copy(array) for array in workspace]
        moves = np.array([address_of(copy) for copy in room.copies]) - starts

        def moved(place: int) -> int:
            index = order[np.searchsorted(starts[order], place, "right") - 1]
            return place + int(moves[index]) if starts[index] <= place < ends[index] else place

        for place, _ in arrays:
            room.words[place] = moved(int(self.words[place]))
        room.rows[:, 0] = [moved(int(place)) for place in self.rows[:, 0]]
        return room
