"""The table of parameters says what the constructors say."""

import inspect

import pytest

from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators.parameters import PARAMETERS, PREPARING, parameters_of

each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


@each_estimator
def test_defaults_are_those_of_the_signature(estimator: type) -> None:
    for name, parameter in inspect.signature(estimator).parameters.items():
        assert PARAMETERS[name].default == parameter.default, name
        assert type(PARAMETERS[name].default) is type(parameter.default), name


@each_estimator
def test_all_parameters_are_described_in_their_order(estimator: type) -> None:
    text = estimator.__doc__ or ""
    section = text[text.index("Parameters\n") : text.index("Attributes\n")]
    entries = [line.split()[0] for line in section.splitlines() if " : " in line[:40]]
    assert entries == list(inspect.signature(estimator).parameters)
    assert [each.name for each in parameters_of(estimator)] == entries


@each_estimator
def test_defaults_are_valid(estimator: type) -> None:
    estimator()._validate_params()


def test_every_entry_belongs_to_an_estimator() -> None:
    names = {
        name
        for each in (MLPClassifier, MLPRegressor)
        for name in inspect.signature(each).parameters
    }
    assert PARAMETERS.keys() == names
    assert names >= PREPARING
