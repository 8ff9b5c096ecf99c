"""Types of parameters, arguments and results that several signatures share."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.random import RandomState

F = TypeVar("F", bound=Callable[..., Any])
Array = TypeVar("Array")  # of any library that follows the array-API standard


@runtime_checkable
class HasArray(Protocol):
    """What NumPy makes an array of."""

    def __array__(self) -> np.ndarray: ...


@runtime_checkable
class Splitter(Protocol):
    """A CV splitter: its ``split`` gives pairs of row indices."""

    def split(self, X: Any, y: Any, groups: Any) -> Any: ...


@runtime_checkable
class Estimator(Protocol):
    """An estimator of scikit-learn's kind, a Pipeline included."""

    def get_params(self, deep: bool = True) -> Any: ...

    def set_params(self, **params: Any) -> Any: ...


@runtime_checkable
class Scorer(Protocol):
    """A scorer of scikit-learn's kind."""

    def __call__(
        self, estimator: Any, X: Any, y_true: Any, sample_weight: Any = None, **kwargs: Any
    ) -> float: ...

    def set_score_request(self, **kwargs: Any) -> Any: ...

    def get_metadata_routing(self) -> Any: ...


# Numbers, of Python or of NumPy

Flag: TypeAlias = bool | np.bool_
Integer: TypeAlias = int | np.integer[Any]
Number: TypeAlias = float | np.floating[Any] | np.integer[Any]
Numbers: TypeAlias = Sequence[Number] | HasArray
NumberOrAuto: TypeAlias = Number | Literal["auto"]
IntegerOrAuto: TypeAlias = Integer | Literal["auto"]
Labels: TypeAlias = Iterable[Any] | HasArray

# Parameters of the networks

LayerSizes: TypeAlias = Literal["auto"] | Integer | Sequence[Integer] | HasArray
Activation: TypeAlias = Literal[
    "auto",
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
]
Solver: TypeAlias = Literal["sgd", "adam", "adamw", "lbfgs"]
BatchSize: TypeAlias = Integer | Literal["auto"]
LearningRate: TypeAlias = Literal[
    "auto", "constant", "invscaling", "adaptive", "cosine", "one_cycle", "adaptive_cosine"
]
Preset: TypeAlias = Literal["best", "accurate", "fast", "sklearn"]
Path: TypeAlias = str | os.PathLike[str]
StaleCheckpoint: TypeAlias = Literal["raise", "set_aside"]
Seed: TypeAlias = Integer | RandomState | None
FlagOrAuto: TypeAlias = Flag | Literal["auto"]
ValidationFraction: TypeAlias = (
    Number | Splitter | HasArray | Iterable[Integer | np.bool_ | tuple[Any, Any]]
)
Normalization: TypeAlias = Literal["batch", "ghost", "layer"] | None
Scaling: TypeAlias = Literal["auto", "robust", "standard"] | None
MemberSpace: TypeAlias = Mapping[str, Any] | Literal["default"] | None
NumberOfBins: TypeAlias = Integer | Literal["auto", "adaptive"] | None
CategoricalFeatures: TypeAlias = (
    Literal["from_dtype"] | Sequence[Integer | np.bool_ | str] | HasArray | None
)
NormStatistics: TypeAlias = Literal["running", "cumulative", "population"]
ClassWeight: TypeAlias = dict[Any, Any] | Literal["balanced"] | None
Calibration: TypeAlias = Literal["auto", "temperature"] | None
Scoring: TypeAlias = str | Callable[..., Any] | None
BackendName: TypeAlias = Literal["auto", "numpy", "cupy"]
Precision: TypeAlias = Literal["highest", "high"]
ComputeDtype: TypeAlias = Literal["auto", "float32", "float64"]

# Parameters of the searches

Grid: TypeAlias = dict[str, Any] | list[Any]  # of dicts; different ones make a list of object
Metrics: TypeAlias = Scoring | list[str] | tuple[str, ...] | set[str] | dict[str, Any]
Refit: TypeAlias = Flag | str | Callable[..., Any]
CrossValidation: TypeAlias = Integer | Splitter | Iterable[Any] | None
ErrorScore: TypeAlias = Number | Literal["raise"]

Request: TypeAlias = bool | str | None  # of metadata: see scikit-learn's metadata routing


class NoSuchAttribute:
    """What a type checker says an attribute is that its class does not have."""


# scikit-learn is not annotated, so to mypy its classes are Any, and whatever inherits from them
# has any attribute. mypy, and only mypy, takes a constant of this name for true; with this method,
# uses of misspelt attributes are errors. Pyright reads scikit-learn's sources, and needs no help.
MYPY = False
if MYPY:

    class Strict:
        def __getattr__(self, name: str) -> NoSuchAttribute: ...

else:

    class Strict:
        """Base of classes that have no other attributes than those they declare."""
