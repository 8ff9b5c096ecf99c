"""A step as a value: kernels with their arguments, put together once and run again and again."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from sknorm.kernels import reference


class Operation(NamedTuple):
    """A call that is made in each step, of a kernel with its arrays as a rule.

    Attributes
    ----------
    call : callable
    arguments : tuple
        What it takes; arrays may change their contents.
    step : int or None
        The place among the arguments, if any, at which it takes the number of the step.
    """

    call: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    step: int | None = None


Halt: TypeAlias = Callable[[], None] | None  # ends tasks that have begun
Part: TypeAlias = tuple[int, int] | None  # of the steps of an epoch: first, and where to stop


class Program(NamedTuple):
    """The operations of a step on a batch of each size, and the arrays that they read their own in.

    Attributes
    ----------
    operations : dict of int to list of Operation
        By the size of the batch.
    rows : dict of int to int64 array of shape (R, n)
        Where a step finds the rows of its batch.
    numbers : float64 array of shape (Q, K)
        Where it finds the quantities that may differ from step to step.
    workspace : list of arrays
        What a member needs during its steps alone.
    """

    operations: dict[int, list[Operation]]
    rows: dict[int, Any]
    numbers: Any
    workspace: list[Any]


def pick(kernel: str, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], int | None]:
    """What a kernel takes of some arguments by name, in its order, and the place of the step.

    At that place, if there is one, stands 0.
    """
    names, place = _names(kernel)
    if place is not None:
        arguments = {**arguments, "step": 0}
    return tuple([arguments[name] for name in names]), place


@cache
def _names(kernel: str) -> tuple[tuple[str, ...], int | None]:
    """Names of a kernel's arguments, which are those of the reference in every package."""
    names = tuple(inspect.signature(getattr(reference, kernel)).parameters)
    return names, names.index("step") if "step" in names else None


def run(operations: Sequence[Operation], step: Any) -> None:
    """Make the calls of a step of this number, an int, or an array where it stands."""
    for call, arguments, place in operations:
        if place is None:
            call(*arguments)
        else:
            call(*arguments[:place], step, *arguments[place + 1 :])


def side_by_side(backend: Any, parts: list[list[Operation]]) -> list[Operation]:
    """Operations whose parts do not depend on each other, for as many threads as there are."""
    if len(parts) == 1:
        return parts[0]
    return [Operation(_run_parts, (backend, parts, 0), 2)]


def _run_parts(backend: Any, parts: list[list[Operation]], step: Any) -> None:
    backend.run(run, [(operations, step) for operations in parts])


class Share(NamedTuple):
    """An operation, the part of a layer that it belongs to, and whether all parts wait before it.

    What belongs to no part of a layer is part 0.
    """

    operation: Operation
    part: int
    waits: bool


def shared_out(operations: Sequence[Operation]) -> Iterator[Share]:
    """The operations one after another, those that may run side by side among them."""
    together = False
    for operation in operations:
        if operation.call is not _run_parts:
            yield Share(operation, 0, together)
            together = False
            continue
        together, waits = True, True
        for number, part in enumerate(operation.arguments[1]):
            for each in part:
                yield Share(each, number, waits)
                waits = False


def are_cut(operations: Sequence[Operation]) -> bool:
    """Whether some of the operations may run side by side."""
    return any(operation.call is _run_parts for operation in operations)
