"""Fitted estimators in files: what a file holds of one, and which estimators a file can hold."""

import os
from functools import partial
from inspect import signature
from typing import Any, TypeAlias

import numpy as np
from array_api_compat import is_array_api_obj
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sknorm._pickling import StateError, without_version
from sknorm._version import __version__
from sknorm.backends import to_host
from sknorm.data.raw.entries import shown
from sknorm.ensembles import EnsembleClassifier, EnsembleRegressor
from sknorm.estimators import MLPClassifier, MLPRegressor
from sknorm.exceptions import ModelFileError
from sknorm.export import consistency
from sknorm.files import container, disk
from sknorm.files.values import NoPlainFormError, Reader, Writer, at

Model: TypeAlias = MLPClassifier | MLPRegressor | EnsembleClassifier | EnsembleRegressor
CLASSES: dict[str, type[Any]] = {
    each.__name__: each
    for each in (MLPClassifier, MLPRegressor, EnsembleClassifier, EnsembleRegressor)
}


def save(estimator: Model, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator to a file that runs no code when it is loaded.

    The file is in the format of safetensors: weights and other arrays are tensors, and all else is
    JSON in its header. It holds all of the estimator: parameters, fitted attributes, and what
    ``partial_fit`` and ``warm_start`` go on from, but no training data. It is written beside
    ``path`` and then takes its place, so that a save that fails leaves an older file as it was.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, EnsembleClassifier or EnsembleRegressor
        Fitted, on the host or a device. Members of an ensemble are networks, not Pipelines.
    path : str or path-like
        The file. ``~`` is the home folder. A link stays a link to the file.

    Raises
    ------
    ModelFileError
        If a parameter has a value without a plain form, such as a scorer that is a function, or if
        callbacks are set. The message names it and says what to do.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator is of another class, a subclass, a search or a Pipeline, or if ``path`` is
        not a path.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Read the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import sknorm
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = sknorm.MLPClassifier((16,), learning_rate="cosine", max_iter=20, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.safetensors"
    ...     sknorm.save(model.fit(X, y), path)
    ...     again = sknorm.load(path)
    >>> bool((again.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    file = disk.path_of(path)
    _check_class(estimator, "")
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise NotFittedError(
            f"This {type(estimator).__name__} is not fitted, so there is no model to save to "
            f"{file}. Call fit first."
        ) from None
    writer = Writer(_write_estimator)
    try:
        data = container.to_bytes(writer.write(estimator, ""), writer.tensors, file)
    except NoPlainFormError as fault:
        raise ModelFileError(f"Cannot save to {file}: {_advice(fault)}") from None
    except RecursionError:
        raise ModelFileError(
            f"Cannot save to {file}: a parameter or attribute holds itself, or lists in lists "
            "without end. Give it plain values."
        ) from None
    disk.write(file, data)


def load(path: str | os.PathLike[str]) -> Any:
    """Load an estimator from a file that :func:`save` has written.

    Nothing in the file is run. A checksum tells whether it is whole. The estimator predicts what
    the saved one predicts, bit for bit with the same version of sknorm on the same kind of machine.
    It is on the host, with attributes of NumPy, also if the saved one was on a device.

    Parameters
    ----------
    path : str or path-like
        The file. ``~`` is the home folder.

    Returns
    -------
    MLPClassifier, MLPRegressor, EnsembleClassifier or EnsembleRegressor
        Fitted, with the parameters that it had.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind (such as a pickle), or of a version that this one
        cannot read.
    TypeError
        If ``path`` is not a path.
    OSError
        If the file cannot be read.

    See Also
    --------
    save : Write the file, with an example.
    """
    file = disk.path_of(path)
    parts = container.from_bytes(disk.read(file), file)
    read = partial(_read_estimator, parts.version)
    reader = Reader(parts.tensors, {"estimator": read})
    try:
        model = reader.read(parts.content)
        if type(model) not in CLASSES.values():
            raise StateError(f"it holds {shown(model)}.")
        return model
    except StateError as error:
        why = str(error)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        why = f"its content is not that of a model ({error!r})."
    except RecursionError:
        why = "its content is not that of a model (values in values without end)."
    raise ModelFileError(
        f"{file} was written by sknorm {parts.version}, and sknorm {__version__} cannot read it: "
        f"{why} Load it with the version that wrote it, or fit the model anew."
    )


def _check_class(estimator: Any, path: str) -> None:
    """Refuse what is not of the classes that files hold, and say what to do instead."""
    kind = type(estimator)
    if kind in CLASSES.values():
        return
    name, where = kind.__name__, f" ({path})" if path else ""
    found = shown(estimator) if isinstance(estimator, type) else name
    if name.endswith("SearchCV") or hasattr(estimator, "best_estimator_"):
        advice = "Pass search.best_estimator_, which is there after fit, unless refit=False."
    elif base := next((each for each in CLASSES.values() if issubclass(kind, each)), None):
        advice = (
            f"It is a subclass of {base.__name__}, and a file holds no code. Save it with joblib, "
            f"or fit a {base.__name__} and save that."
        )
    elif isinstance(estimator, BaseEstimator):
        advice = (
            "Save it with skops.io.dump; skops.io.load then needs to trust sknorm's estimators "
            "beside it."
        )
    else:
        advice = "Pass a fitted estimator."
    raise TypeError(f"sknorm.save takes {', '.join(CLASSES)}, got {found}{where}. {advice}")


def _write_estimator(writer: Writer, value: Any, path: str) -> dict[str, Any] | None:
    if not isinstance(value, BaseEstimator):
        return None
    _check_class(value, path)
    return writer.once(value, path, lambda: _parts_of(writer, value, path))


def _parts_of(writer: Writer, estimator: Any, path: str) -> dict[str, Any]:
    """Parameters, and the other attributes as plain values."""
    state, names = without_version(estimator.__getstate__()), signature(type(estimator)).parameters
    found: dict[str, dict[str, Any]] = {"parameters": {}, "attributes": {}}
    for name, value in state.items():
        kind = "parameters" if name in names else "attributes"
        if kind == "attributes" and is_array_api_obj(value) and not isinstance(value, np.generic):
            value = to_host(value)
        try:
            found[kind][name] = writer.write(value, at(path, name))
        except NoPlainFormError as fault:
            fault.owner = fault.owner or (estimator, name)
            raise
    return {"is": "estimator", "class": type(estimator).__name__, **found}


def _read_estimator(version: str, reader: Reader, node: dict[str, Any]) -> Any:
    kind: Any = CLASSES.get(node["class"])
    if kind is None:
        raise StateError(f"it holds a {node['class']!r}, which this version does not know.")
    state = {name: reader.read(each) for name, each in node["parameters"].items()}
    if unknown := state.keys() - signature(kind).parameters:
        raise StateError(f"{kind.__name__} has no parameter {', '.join(sorted(unknown))}.")
    state |= {name: reader.read(each) for name, each in node["attributes"].items()}
    estimator = kind.__new__(kind)
    vars(estimator).update(estimator._restored(state, version))
    consistency.check(estimator)
    return estimator


def _advice(fault: NoPlainFormError) -> str:
    """What cannot be saved, and what to do about it."""
    estimator, name = fault.owner
    found = f"{shown(fault.value)}, of type {type(fault.value).__name__}"
    if name == "_skl_callbacks":
        return (
            f"the {type(estimator).__name__} has callbacks ({found}), which have no plain form. "
            "Remove them with set_callbacks(), and set them again after loading."
        )
    parameter = signature(type(estimator)).parameters.get(name)
    if parameter is None:
        return (
            f"the attribute {fault.path} is {found}, which has no plain form. Delete it from the "
            f"{type(estimator).__name__}, or give it plain values."
        )
    return (
        f"the parameter {fault.path} is {found}. Files hold plain values (numbers, strings, lists, "
        "dicts, arrays), RandomState and SciPy's frozen distributions. Predictions do not depend "
        f"on it: give it a plain value with set_params({name}={parameter.default!r}) before "
        "saving, and set it again after loading if training is to go on."
    )
