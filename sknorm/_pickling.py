"""Pickles that know which version of the package made them."""

from typing import Any

from sklearn.base import BaseEstimator

from sknorm._version import __version__
from sknorm._warnings import warn
from sknorm.exceptions import InconsistentVersionWarning

_KEY = "_sknorm_version"


class VersionedPickle(BaseEstimator):
    """Puts the version into pickles, and warns of one that another version made."""

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), _KEY: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        version = state.pop(_KEY, "of an unknown version")
        if version != __version__:
            warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_version=__version__,
                    original_version=version,
                ),
            )
        super().__setstate__(state)
