"""What a training run depends on, in numbers that are compared with those of a checkpoint."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sknorm.backends import is_on_host, to_host

if TYPE_CHECKING:
    from sknorm.training.task import Task

_BLOCK = 1 << 26  # bytes that are copied at once where an array is not in C order


def fingerprints(task: "Task") -> dict[str, str]:
    """Digests of what a task is made of, before its first epoch, by what users call it."""
    batches, score = task.batches, task.score
    held = getattr(score, "rows", None)
    given = getattr(score, "data", None)
    watched = type(score).__name__, text_of(getattr(score, "scorer", None))
    return {
        "data": digest(task.data, None if given is task.data else given),
        "parameters": digest(
            *(task.plan, task.max_fun, batches.batch_size, batches.shuffle, watched),
            *(task.network.architecture, task.schedule, _without_seeds(task.members)),
        ),
        "random numbers": digest(
            *(task.network.parameters.flat, task.network.statistics, task.members.seed),
            *(batches.rows, held, batches.generators()),
        ),
    }


def differing(own: dict[str, str], theirs: dict[str, str]) -> str:
    """What of the facts of a run is not as in a file: "data and other parameters", say."""
    return " and other ".join(name for name, value in own.items() if theirs.get(name) != value)


def text_of(value: Any) -> str:
    """A value as text, without addresses in memory."""
    return re.sub(" at 0x[0-9a-fA-F]+", "", repr(value))


def digest(*values: Any) -> str:
    """A digest of arrays of any library, and of what is made of them and of plain values."""
    found = hashlib.sha256()
    for value in values:
        for part in _parts(value):
            found.update(part)
    return found.hexdigest()


def _parts(value: Any) -> Iterator[Any]:
    """The bytes of a value, each with what tells it from others that have the same."""
    if isinstance(value, np.ma.MaskedArray):
        yield from _parts((value.data, np.ma.getmaskarray(value)))
    elif isinstance(value, np.ndarray):
        yield repr((str(value.dtype), value.shape)).encode()
        yield from _bytes_of(value)
    elif isinstance(value, type):
        yield value.__qualname__.encode()
    elif isinstance(value, dict | list | tuple) or is_dataclass(value):
        yield f"{type(value).__name__}{_count(value)}".encode()
        for each in _items(value):
            yield from _parts(each)
    elif hasattr(value, "shape") and not isinstance(value, np.generic):
        yield from _parts(np.asarray(value) if is_on_host(value) else to_host(value))
    else:
        yield f"{type(value).__name__} {value!r};".encode()


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for pair in value.items():
            yield from pair
    elif isinstance(value, list | tuple):
        yield from value
    else:
        for each in fields(value):
            if each.repr:  # what an object makes for itself is not shown either
                yield each.name
                yield getattr(value, each.name)


def _count(value: Any) -> int:
    return len(fields(value)) if is_dataclass(value) else len(value)


def _bytes_of(array: np.ndarray) -> Iterator[Any]:
    if not array.size:
        return
    if array.dtype.kind == "O":
        for each in array.ravel().tolist():
            yield from _parts(each)
        return
    if array.flags.c_contiguous:
        yield array.reshape(-1).view(np.uint8)
        return
    rows = max(1, _BLOCK // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows]).tobytes()


def _without_seeds(members: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(members).items() if name != "seed"}
