"""Fits work on a draft: an estimator takes over what was learned when all of it is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sknorm.estimators.attributes import shallow_copy


class Draft:
    """A copy of an estimator that a fit may change as it goes.

    Parameters
    ----------
    estimator : estimator
        Stays as it is until the draft is adopted.

    Attributes
    ----------
    model : estimator
        The copy. Values that both hold are replaced in it, never changed in place; only curves of
        ``partial_fit`` are appended to, at the very end.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.model = shallow_copy(estimator)
        self._before = dict(estimator.__dict__)

    def learned(self) -> dict[str, Any]:
        """Attributes that the draft has and the estimator had not."""
        nothing = object()
        return {
            name: value
            for name, value in self.model.__dict__.items()
            if self._before.get(name, nothing) is not value
        }

    def adopt(self) -> dict[str, Any]:
        """Give the estimator what was learned; returns the attributes that it had.

        All attributes change at once, so that a thread that predicts meanwhile sees either the
        old model or the new one.
        """
        own = self.estimator.__dict__
        gone = self._before.keys() - self.model.__dict__.keys()
        kept = {name: value for name, value in own.items() if name not in gone}
        self.estimator.__dict__ = kept | self.learned()
        return own

    @contextmanager
    def adopted(self) -> Iterator[None]:
        """Adopt the draft; an error in the block takes it back."""
        own = self.adopt()
        try:
            yield
        except BaseException:
            self.estimator.__dict__ = own
            raise
