"""In which dtypes norms compute: never below float32, sums in float64."""

from typing import Any

from array_api_compat import array_namespace, device


def working_dtype(x: Any) -> Any:
    """The dtype of ``x``, or float32 where it has fewer digits."""
    xp = array_namespace(x)
    return xp.result_type(x.dtype, xp.float32)


def sum_dtype(x: Any) -> Any:
    """float64, or the dtype of ``x`` where its device has no float64, or where it has more."""
    xp = array_namespace(x)
    known = xp.__array_namespace_info__().dtypes(device=device(x), kind="real floating")
    return xp.result_type(x.dtype, known.get("float64", x.dtype))
