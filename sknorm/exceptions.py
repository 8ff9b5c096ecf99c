"""Warnings and errors of their own kind."""

from sklearn import exceptions as sklearn_exceptions


class InconsistentVersionWarning(sklearn_exceptions.InconsistentVersionWarning):
    """A model was pickled by another version of sknorm.

    A subclass of :class:`sklearn.exceptions.InconsistentVersionWarning`, so that a filter for
    that one covers both.

    Parameters
    ----------
    estimator_name : str
    current_version, original_version : str
        The version that loads the model, and the one that pickled it.
    """

    def __init__(self, *, estimator_name: str, current_version: str, original_version: str) -> None:
        super().__init__(
            estimator_name=estimator_name,
            current_sklearn_version=current_version,
            original_sklearn_version=original_version,
        )
        self.current_version = current_version
        self.original_version = original_version

    def __str__(self) -> str:
        return (
            f"Trying to load a {self.estimator_name} that sknorm {self.original_version} pickled, "
            f"with sknorm {self.current_version}. Its results may be invalid: fit the model anew, "
            "or load it with the version that made it."
        )


class CheckpointError(ValueError):
    """A checkpoint that training cannot go on from.

    The message names the file, says what was found in it, and what to do.
    """


class ModelFileError(ValueError):
    """A file that :func:`sknorm.load` cannot read, or a model that no file can hold.

    The message names the file, says what was found in it, or in the model, and what to do.
    """
