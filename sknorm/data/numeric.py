"""Numbers, one or several a row, as targets of the regressor."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from sklearn.utils import column_or_1d

from sknorm.backends import Backend, in_kind
from sknorm.data import checks
from sknorm.data.target_units import SPOILT_FROM, TargetUnits, renew, wild_value
from sknorm.data.targets import Target
from sknorm.objective.losses import Loss

_LARGEST = 1.5e308  # of y: predictions may be somewhat beyond all targets
_FAR = 1e4  # deviations
_SAFE = 2.0**900  # units in which no prediction leaves float64
_ROOM = 2.0**64  # what larger ones are divided by, while they are added


@dataclass(frozen=True)
class NumericTarget(Target):
    """Targets that are trained on as ``(y - location) / scale``.

    Attributes
    ----------
    location, scale : float64 arrays of shape (n_outputs,)
    single : bool
        Whether y has one dimension, as predictions then have.
    in_use, pooled : TargetUnits or None
        Those that location and scale were made for, and those of all rows so far; None where
        targets are taken as they are.
    """

    location: np.ndarray
    scale: np.ndarray
    single: bool
    in_use: TargetUnits | None = None
    pooled: TargetUnits | None = None

    @classmethod
    def learn(
        cls, y: np.ndarray, weight: np.ndarray, loss: Loss, *, standardize: bool, partial: bool
    ) -> "NumericTarget":
        """The units of targets (n,) or (n, n_outputs) under row weights (n,).

        Those of a part of all rows are kept from what a few bad records do to a mean.
        """
        single, y = y.ndim == 1, y.reshape(len(y), -1)
        check_range(y, loss)
        if not standardize:
            return cls(loss, np.zeros(y.shape[1]), np.ones(y.shape[1]), single)
        location, scale = loss.target_units(y, weight)
        # A mean of equal numbers may be another one by rounding, which counts where they are huge.
        alike = (y.min(axis=0) == y.max(axis=0)) & (location != 0.0)
        location = np.where(alike, y[0], location)
        units = TargetUnits.in_use(y, weight, location, scale)
        if partial:
            units = TargetUnits.of(y, weight, loss)
            location, scale = units.tamed(location, scale)
        return cls(loss, location, scale, single, units, units)

    @property
    def task(self) -> str:
        return "regression"

    @property
    def n_outputs(self) -> int:
        return len(self.location)

    @property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        repeats = self.raw_outputs // self.n_outputs
        return np.repeat(self.location, repeats), np.repeat(self.scale, repeats)

    def check_same_task(self, y: np.ndarray) -> None:
        """A change of the number of outputs is a change of the layers."""
        outputs = 1 if y.ndim == 1 else y.shape[1]
        if outputs != self.n_outputs:
            raise ValueError(
                f"y has {outputs} outputs, but the model to go on with has {self.n_outputs}. "
                "Pass targets of the same kind, or fit a new estimator."
            )

    def encode(self, y: np.ndarray, dtype: Any, name: str = "y") -> np.ndarray:
        y = y.reshape(len(y), -1)
        if y.shape[1] != self.n_outputs:
            raise ValueError(f"{name} has {y.shape[1]} outputs, expected {self.n_outputs}.")
        check_range(y, self.loss, name)
        location, scale = self.location, self.scale
        with np.errstate(over="ignore"):  # looked into below
            encoded = np.ascontiguousarray((y - location) / scale, dtype=dtype)
        if not np.isfinite(encoded).all():
            row, target = (int(i[0]) for i in np.nonzero(~np.isfinite(encoded)))
            raise ValueError(
                f"{name} holds {y[row, target]:.3g} at row {row}, too far from the other targets "
                f"for {np.dtype(dtype).name}: they are trained on as (y - {location[target]:.3g}) "
                f"/ {scale[target]:.3g}. Rescale or drop it, or set dtype='float64' or "
                "standardize_target=True."
            )
        return encoded

    def attributes(self, like: Any) -> dict[str, Any]:
        return {
            "target_mean_": in_kind(self.location, like),
            "target_scale_": in_kind(self.scale, like),
        }

    def decode(self, value: Any, std: Any = None) -> tuple[Any, Any]:
        """Outputs (n, o) and their spread in the shape of the targets; quantiles in order."""
        arrays = [value] if std is None else [value, std]
        if self.loss.adds_axis:
            xp = array_namespace(value)
            shape = (value.shape[0], self.n_outputs, -1)
            arrays = [xp.reshape(a, shape) for a in arrays]
            order = xp.argsort(arrays[0], axis=2, stable=True)
            arrays = [xp.take_along_axis(a, order, axis=2) for a in arrays]
        if self.single:
            arrays = [a[:, 0, ...] for a in arrays]
        return arrays[0], None if std is None else arrays[1]

    def in_units(self, backend: Backend, values: Any, *, located: bool = True) -> Any:
        """Outputs (n, o) in the units of the targets, or deviations, which are not located.

        What float64 does not hold is held at its largest number.
        """
        if located and type(values) is np.ndarray and values.dtype in self._units_on_host:
            location, scale = self._units_on_host[values.dtype]
            return values * scale + location
        location, scale = map(backend.asarray, self.units_for(values.dtype))
        if not located:
            location = backend.xp.zeros_like(location)
        if self._are_safe:
            return values * scale + location
        most = float(np.finfo(np.float64).max) / _ROOM
        with np.errstate(over="ignore"):  # means under a log link may be huge by themselves
            small = values * (scale / _ROOM) + location / _ROOM
        return backend.xp.clip(small, -most, most) * _ROOM

    @property
    def _are_safe(self) -> bool:
        """Whether no prediction in these units leaves float64."""
        return bool(max(np.abs(each).max(initial=0.0) for each in self.units) < _SAFE)

    @cached_property
    def _units_on_host(self) -> dict[Any, tuple[np.ndarray, np.ndarray]]:
        """Safe units for outputs of each dtype, made once: a row to predict for waits for them."""
        dtypes = [np.dtype(each) for each in (np.float32, np.float64)]
        return {each: self.units_for(each) for each in dtypes} if self._are_safe else {}

    def without_outliers(self, encoded: np.ndarray) -> np.ndarray:
        return encoded if self.in_use is None else np.clip(encoded, -SPOILT_FROM, SPOILT_FROM)

    def renewed(self, y: np.ndarray, weight: np.ndarray) -> tuple["NumericTarget", bool]:
        """The same after more rows: in other units, where the old ones no longer fit."""
        y = y.reshape(len(y), -1)
        if self.in_use is None or self.pooled is None or y.shape[1] != self.n_outputs:
            return self, False  # another number of outputs is refused when they are encoded
        pooled = self.pooled.merged(TargetUnits.of(y, weight, self.loss), self.loss)
        if not self.in_use.are_outgrown_by(pooled):
            return replace(self, pooled=pooled), False
        location, scale = renew((self.location, self.scale), self.in_use, pooled)
        return replace(self, location=location, scale=scale, in_use=pooled, pooled=pooled), True

    def wild_value(self, y: np.ndarray) -> float | None:
        if self.in_use is None or y.reshape(len(y), -1).shape[1] != self.n_outputs:
            return None
        return wild_value(y.reshape(len(y), -1), self.location, self.scale)

    def units_for(self, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale for outputs of a dtype, in float64 where it does not hold targets.

        Either because they are too large or small, or because their mean is so large beside
        their deviation that most digits would be those of the mean.
        """
        location, scale = (np.abs(each) for each in self.units)
        narrow = np.float32 if "32" in str(dtype) else np.float64
        limits = np.finfo(narrow)
        most, least = float(limits.max) / 1e6, float(limits.tiny) * 1e6
        held = np.all((scale < most) & (scale > least) & (location / _FAR < scale))
        location, scale = (each.astype(narrow if held else np.float64) for each in self.units)
        return location, scale


def check_numbers(y: Any) -> np.ndarray:
    """Targets as float64, (n,) or (n, n_outputs)."""
    hint = "MLPRegressor learns numbers; for class labels, use MLPClassifier."
    y = checks.as_numbers(y, "y", hint)
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def check_range(y: np.ndarray, loss: Loss, name: str = "y") -> None:
    """Refuse targets (n, n_outputs) on which the loss is not defined."""
    largest = np.abs(y).max(initial=0.0)
    if largest > _LARGEST:
        raise ValueError(
            f"{name} reaches {largest:.3g}: predictions of its size, and their errors, "
            "overflow float64. Rescale it, for example to y / 1e300."
        )
    if refusal := loss.refusal(y, name):
        raise ValueError(refusal)
