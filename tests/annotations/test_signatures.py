"""Annotations: every public function has them, and parameters say what their constraints say."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from sklearn.utils._param_validation import StrOptions

import sknorm
from sknorm import model_selection

MODULES = [sknorm, sknorm.functional, sknorm.metrics, sknorm.penalties, model_selection]
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in module.__all__
}
ESTIMATORS = {name: each for name, each in PUBLIC.items() if hasattr(each, "get_params")}
PARAMETERS = [
    pytest.param(parameter, each._parameter_constraints[parameter.name], id=f"{name}-{parameter}")
    for name, each in ESTIMATORS.items()
    for parameter in inspect.signature(each).parameters.values()
]


def functions(public: Any) -> Iterator[Callable[..., Any]]:
    """The function itself, or the public methods of a class that are our own."""
    if inspect.isfunction(public):
        yield public
    if not isinstance(public, type):
        return
    for name, member in inspect.getmembers(public, inspect.isfunction):
        if member.__module__.startswith("sknorm") and (name == "__init__" or name[0] != "_"):
            yield member


def choices(annotation: Any) -> Iterator[Any]:
    """The literals of an annotation."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from choices(part)


@pytest.mark.parametrize("public", PUBLIC.values(), ids=PUBLIC)
def test_public_functions_are_annotated(public: Any) -> None:
    bare = [
        f"{function.__qualname__}: {name}"
        for function in functions(public)
        for name in [*inspect.signature(function).parameters, "return"]
        if name not in ("self", "cls") and name not in function.__annotations__
    ]
    assert bare == []


@pytest.mark.parametrize("parameter, constraints", PARAMETERS)
def test_literals_are_the_options(parameter: inspect.Parameter, constraints: list[Any]) -> None:
    if parameter.name in ("scoring", "categorical_features"):  # any text; fit says which is right
        return
    options = {o for each in constraints if isinstance(each, StrOptions) for o in each.options}
    assert set(choices(parameter.annotation)) == options
    assert (None in constraints or parameter.name in ("random_state", "cv")) == (
        type(None) in get_args(parameter.annotation)
    )
