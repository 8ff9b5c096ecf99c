"""Pickles that know which version of the package made them, and what they must hold."""

from inspect import signature
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest

from sknorm._version import __version__
from sknorm._warnings import warn
from sknorm.exceptions import InconsistentVersionWarning

_KEY = "_sknorm_version"
_REQUESTS = "_metadata_request"  # what scikit-learn's `set_fit_request` and the like have set


class StateError(ValueError):
    """Why this version cannot read a state: a sentence about it."""


class VersionedPickle(BaseEstimator):
    """Puts the version into pickles, and warns of one that another version made."""

    _learned: ClassVar[tuple[str, ...]] = ()  # attributes of every fitted estimator of the class

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__(), _KEY: __version__}
        if _REQUESTS in state:  # plain, and without the estimator that it refers to
            state[_REQUESTS] = {
                method: dict(each.requests)
                for method, each in vars(state[_REQUESTS]).items()
                if getattr(each, "requests", None)
            }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state, name = dict(state), type(self).__name__
        version = state.pop(_KEY, "of an unknown version")
        if version != __version__:
            warn(
                InconsistentVersionWarning(
                    estimator_name=name, current_version=__version__, original_version=version
                ),
            )
        try:
            restored = self._restored(state, version)
        except StateError as error:
            raise ValueError(
                f"This {name} was pickled by sknorm {version}, and sknorm {__version__} cannot "
                f"read it: {error} Load it with the version that made it, or fit the model anew."
            ) from None
        super().__setstate__(restored)

    def _restored(self, state: dict[str, Any], version: str) -> dict[str, Any]:
        """The attributes that a state of some version stands for, none of them missing.

        Parameters that it lacks have their defaults: predictions do not read them. Of this version,
        attributes that are missing were deleted by the user.

        Raises
        ------
        StateError
            If the state lacks anything else, or holds what this version does not know.
        """
        fitted = any(name in self._learned or _is_fitted_attribute(name) for name in state)
        missing = [name for name in self._learned if name not in state]
        if fitted and missing and version != __version__:
            raise StateError(f"it lacks {', '.join(missing)}.")
        parameters = signature(type(self)).parameters.values()
        lacked = [p for p in parameters if p.name not in state and not hasattr(type(self), p.name)]
        state = {p.name: p.default for p in lacked if p.default is not p.empty} | state
        if isinstance(requests := state.get(_REQUESTS), dict):
            state[_REQUESTS] = made = MetadataRequest(owner=self)
            for method, own in requests.items():
                for name, alias in own.items():
                    getattr(made, method).add_request(param=name, alias=alias)
        return state


def without_version(state: dict[str, Any]) -> dict[str, Any]:
    """A state without what pickles alone have."""
    return {name: value for name, value in state.items() if name != _KEY}


def _is_fitted_attribute(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_")
