"""What a search has finished, in a file that grows by an entry a unit of work.

A search that was killed goes on from it: no fit whose results stand there is made again. Beside it
stand the checkpoints of what is in training, and of the refit.
"""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from sknorm._sklearn import scorers_by_name
from sknorm._version import __version__
from sknorm._warnings import warn
from sknorm.exceptions import ModelFileError
from sknorm.files import container, disk
from sknorm.files.values import NoPlainFormError, Reader, Writer
from sknorm.model_selection.context import Context
from sknorm.model_selection.plan import Candidates
from sknorm.model_selection.race import FOLDS
from sknorm.model_selection.results import Key, Results
from sknorm.training.checkpoint import Checkpoint, refuse
from sknorm.training.fingerprints import differing, digest, text_of

_LENGTH = 8  # bytes of an entry's length, which stands before it with its complement
_NOT_KEPT = ("like", "part")


@dataclass(frozen=True)
class PartFiles:
    """Checkpoints of what is in training, beside the file of a search.

    Attributes
    ----------
    stem : str
        How their names begin.
    every : float
        Seconds between two writings of one.
    """

    stem: str
    every: float

    def checkpoint(self, keys: Sequence[Key]) -> Checkpoint:
        """That of the jobs of a stack."""
        path = f"{self.stem}.{digest(list(keys))[:16]}"
        return Checkpoint(path, self.every, "discard")

    def sweep(self) -> None:
        """Remove those that are left."""
        for each in glob.glob(f"{glob.escape(self.stem)}.*"):
            if re.fullmatch(r"(\.all)?\.[0-9a-f]{16}", each.removeprefix(self.stem)):
                os.unlink(each)


class Journal:
    """The file of a search.

    Parameters
    ----------
    path : str or path-like
    every : float
        Seconds between two writings of what is in training. Results are written as they come.
    stale : {"raise", "set_aside"}
        What to do with a file that is not of this search, or that is damaged.
    context : Context
    candidates : list of Candidate
    settings : dict
        What else results depend on.

    Attributes
    ----------
    known : dict of (int, int) to dict
        Results of jobs that were finished before, by candidate and fold.
    """

    def __init__(
        self,
        path: Any,
        every: float,
        stale: str,
        context: Context,
        candidates: Candidates,
        settings: dict[str, Any],
    ) -> None:
        self.file, self.every, self.stale = disk.path_of(path), every, stale
        self.known: dict[Key, dict[str, Any]] = {}
        self._facts = _facts(context, candidates, settings)
        self._told = False
        disk.check_place(self.file, "checkpoint")
        disk.sweep(self.file)
        if not os.path.exists(self.file) or not self._read():
            self._begin()

    @classmethod
    def of(cls, search: Any, context: Context, candidates: Candidates) -> "Journal":
        """The file of a search that asks for one."""
        how = search.checkpoint, search.checkpoint_every, search.stale_checkpoint
        settings = {"racing": search.racing}
        if search.racing and len(context.splits) < FOLDS and isinstance(search.refit, str):
            settings["ranked by"] = search.refit  # who left has the scores of a shorter training
        return cls(*how, context, candidates, settings)

    @property
    def parts(self) -> PartFiles:
        """Checkpoints of what is in training."""
        return PartFiles(f"{self.file}.part", self.every)

    def of_refit(self) -> Checkpoint:
        """The checkpoint of the refit."""
        return Checkpoint(f"{self.file}.refit", self.every, "discard")

    def add(self, results: Results) -> None:
        """Write results that are new, and remove the checkpoints that they came from.

        A fit that lacked memory or a file may have them the next time.
        """
        new = [result for result in results if result["key"] not in self.known]
        new = [result for result in new if not result.get("by_place")]
        if new and self._append([_kept(result) for result in new]):
            for part in {result["part"] for result in new if "part" in result}:
                if os.path.exists(part):
                    os.unlink(part)

    def _begin(self) -> None:
        """Take the place, before anything is trained."""
        try:
            disk.write(self.file, _entry(self._facts, {}, self.file), "checkpoint")
        except OSError as error:
            self._warn(error)

    def _append(self, values: Any) -> bool:
        """Add an entry; False, with one warning, where it cannot be."""
        writer = Writer(lambda *_: None)
        try:
            content = writer.write(values, "results")
            disk.append(self.file, _entry(content, writer.tensors, self.file))
        except (OSError, NoPlainFormError) as error:
            self._warn(error)
            return False
        return True

    def _read(self) -> bool:
        """Take over what the file holds, if it is of this search."""
        try:
            data = disk.read(self.file)
            entries = list(self._entries(data))
        except ModelFileError as error:
            return self._refuse(str(error))
        if not entries:
            return self._refuse(f"{self.file} is empty, or cut off at its beginning.")
        (theirs, _, _), *rest = entries
        if others := differing(self._facts, theirs):
            return self._refuse(
                f"{self.file} is a checkpoint of another search: it has other {others} (written "
                f"by sknorm {theirs.get('version')})."
            )
        if (end := entries[-1][2]) < len(data):
            os.truncate(self.file, end)  # what was being written when the process ended
        for content, tensors, _ in rest:
            made = Reader(tensors, {}).read(content)
            self.known.update((result["key"], result) for result in made)
        return True

    def _entries(self, data: bytes) -> Iterator[tuple[Any, dict[str, np.ndarray], int]]:
        """The entries that are whole, each with where it ends.

        Raises
        ------
        ModelFileError
            If one is damaged. The last one may be cut off.
        """
        start = 0
        while (begin := start + 2 * _LENGTH) <= len(data):
            length = int.from_bytes(data[start : start + _LENGTH], "little")
            if data[start:begin] != _begin_of(length):
                raise ModelFileError(f"{self.file} is damaged: it is no whole checkpoint.")
            if (stop := begin + length) > len(data):
                break
            parts = container.from_bytes(data[begin:stop], self.file, container.SEARCH)
            yield parts.content, parts.tensors, stop
            start = stop

    def _refuse(self, why: str) -> bool:
        refuse(self.file, why, self.stale, "the search")
        return False

    def _warn(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            warn(f"The search goes on without a new checkpoint: {error}", RuntimeWarning)


def _kept(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in _NOT_KEPT}


def _entry(content: Any, tensors: dict[str, np.ndarray], file: str) -> bytes:
    data = container.to_bytes(content, tensors, file, container.SEARCH)
    return _begin_of(len(data)) + data


def _begin_of(length: int) -> bytes:
    """What stands before an entry of so many bytes: by a length alone, damage looks like an end."""
    own = length.to_bytes(_LENGTH, "little")
    return own + bytes(255 - each for each in own)


def _facts(context: Context, candidates: Candidates, settings: dict[str, Any]) -> dict[str, str]:
    """What a search depends on, by what users call it."""
    given = context.fit_params, context.score_params
    models = [candidate.model for candidate in candidates]
    scorers = scorers_by_name(context.scorer) or context.scorer
    scoring = scorers, context.keeps_predictions, context.return_train_score
    return {
        "version": __version__,
        "data": digest(_plain_table(context.X), _plain_table(context.y), _plain(given)),
        "candidates": digest(_plain(models)),
        "folds": digest(context.splits),
        "settings": digest(_plain([scoring, context.error_score, settings])),
    }


def _plain_table(X: Any) -> Any:
    """A table of any library as arrays."""
    if sparse.issparse(X):
        csr = X.tocsr()
        return csr.data, csr.indices, csr.indptr, csr.shape
    names = getattr(X, "column_names", None)  # of Arrow; in pandas, it may be a column
    names = names if isinstance(names, list) else getattr(X, "columns", None)
    if names is not None and hasattr(X, "__getitem__"):
        return [(str(name), _type_of(X[name]), np.asarray(X[name])) for name in names]
    if hasattr(X, "shape"):
        return X
    try:
        return np.asarray(X)
    except ValueError:  # of rows of different lengths, such as words of texts
        return _plain(list(X))


def _type_of(column: Any) -> str:
    """Categories and numbers may be the same values, but a network sees them otherwise."""
    return str(getattr(column, "dtype", getattr(column, "type", "")))


def _plain(value: Any) -> Any:
    """Parameters as arrays and texts, without addresses in memory."""
    if isinstance(value, dict):
        return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
    if type(value) in (list, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, set | frozenset):  # whose order is another one in each process
        return sorted(map(text_of, value))
    if isinstance(value, np.random.RandomState):  # whose text is the same for all
        return _plain(value.get_state(legacy=False))
    if isinstance(value, np.random.Generator):
        return _plain(value.bit_generator.state)
    if _is_data(value):
        return _plain_table(value)
    if hasattr(value, "get_params") and not isinstance(value, type):
        callbacks = "_skl_callbacks"  # one that is frozen has more than parameters
        own = {name: each for name, each in vars(value).items() if not name.startswith(callbacks)}
        return [text_of(type(value)), _plain(own)]
    return [text_of(value), _attributes(value)]


def _attributes(value: Any) -> dict[str, Any]:
    """Public attributes of an object whose text has none; what is within them counts as text."""
    text: Any = type(value).__repr__
    if text is not object.__repr__ or not hasattr(value, "__dict__"):
        return {}
    own = {name: each for name, each in vars(value).items() if not name.startswith("_")}
    return {n: _plain_table(each) if _is_data(each) else text_of(each) for n, each in own.items()}


def _is_data(value: Any) -> bool:
    """Whether it is an array, a column or a table of any library, whose text may be shortened."""
    if isinstance(value, type | np.generic):
        return False
    return sparse.issparse(value) or hasattr(value, "__array__") or hasattr(value, "__dlpack__")
