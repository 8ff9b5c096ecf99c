"""Learning-rate schedules, step by step and in fits."""

from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor
from sknorm.optim import schedules

RATES = np.array([0.1, 0.02])
NAMES = ["constant", "invscaling", "adaptive", "cosine", "one_cycle", "adaptive_cosine"]


def curve(name: str, total: int = 101) -> np.ndarray:
    """Rates of both members over the steps."""
    schedule = schedules.build(name, RATES.copy(), 0.5, total - 1)
    return np.stack([np.array(schedule.rate(step)) for step in range(total)])


def test_constant_stays() -> None:
    np.testing.assert_array_equal(curve("constant"), np.tile(RATES, (101, 1)))


def test_cosine_falls_to_zero_along_half_a_wave() -> None:
    rates = curve("cosine")
    np.testing.assert_array_equal(rates[0], RATES)
    np.testing.assert_allclose(rates[50], RATES / 2)
    np.testing.assert_allclose(rates[25], RATES * (1 + np.sqrt(0.5)) / 2)
    np.testing.assert_allclose(rates[100], 0.0, atol=1e-17)
    assert np.all(np.diff(rates, axis=0) < 0)


def test_one_cycle_warms_up_for_three_tenths() -> None:
    rates = curve("one_cycle")
    np.testing.assert_allclose(rates[0], RATES / 25)
    np.testing.assert_allclose(rates[30], RATES)
    np.testing.assert_allclose(rates[100], RATES * 1e-5)
    assert np.all(np.diff(rates[:31], axis=0) > 0) and np.all(np.diff(rates[30:], axis=0) < 0)
    assert np.abs(np.diff(rates, axis=0)).max() < 0.1 * RATES.max()


def test_planned_schedules_stay_at_their_end() -> None:
    for name in ("cosine", "one_cycle"):
        schedule = schedules.build(name, RATES, 0.5, 10)
        np.testing.assert_array_equal(schedule.rate(10), schedule.rate(1000))


def adaptive(enough: list[float], total: int = 300) -> Any:
    return schedules.build("adaptive_cosine", RATES.copy(), 0.5, total, np.array(enough))


def test_an_adaptive_cosine_is_one_over_a_third_of_the_steps() -> None:
    """Whatever comes before its end, and for members that are not good enough there."""
    schedule, plain = adaptive([-0.1, np.inf]), schedules.build("cosine", RATES, 0.5, 100)
    for step in range(101):
        np.testing.assert_array_equal(schedule.rate(step), plain.rate(step))
        np.testing.assert_array_equal(schedule.is_over(step), step >= 100)
        score = -0.05 if step < 100 else -0.2
        np.testing.assert_array_equal(
            schedule.watch(step, np.array([score, 0.0])), [score > -0.1, False]
        )


@pytest.mark.parametrize("score", [np.nan, -np.inf, -0.1])
def test_members_without_a_better_score_end_as_planned(score: float) -> None:
    schedule = adaptive([-0.1, -0.1])
    assert not schedule.watch(100, np.full(2, score)).any()
    assert schedule.is_over(100).all()


def test_members_that_are_good_enough_have_a_second_cosine_from_half_the_rate() -> None:
    schedule = adaptive([-0.1, -0.1])
    assert schedule.watch(40, np.array([-0.2, -0.05])).tolist() == [False, True]
    assert not schedule.is_over(99).any()
    assert schedule.watch(100, np.array([-0.2, -0.05])).tolist() == [False, True]
    schedule.watch(101, np.zeros(2))  # it is decided once
    plain = schedules.build("cosine", RATES[1:] / 2, 0.5, 200)
    for step in (100, 133, 200, 299, 300):
        np.testing.assert_allclose(schedule.rate(step)[1:], plain.rate(step - 100), atol=1e-17)
        assert schedule.is_over(step).tolist() == [True, False]


def test_an_adaptive_cosine_fits_into_its_time() -> None:
    """Into less than is planned as a cosine does; into more with a shorter second one."""
    schedule = adaptive([-0.1, np.inf])
    schedule.fit_into(40.0)
    schedule.watch(20, np.zeros(2))
    np.testing.assert_allclose(schedule.rate(20), RATES / 2)
    np.testing.assert_allclose(schedule.rate(40), 0.0, atol=1e-17)
    schedule = adaptive([-0.1, np.inf])
    schedule.watch(100, np.zeros(2))
    schedule.fit_into(200.0)
    np.testing.assert_allclose(schedule.rate(150), [RATES[0] / 4, 0.0], atol=1e-17)
    np.testing.assert_allclose(schedule.rate(200), 0.0, atol=1e-17)
    schedule.fit_into(30.0)
    assert np.isfinite(schedule.rate(190)).all()


@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
def test_inverse_scaling_counts_rows(power: float) -> None:
    schedule = schedules.build("invscaling", RATES, power, 10)
    np.testing.assert_array_equal(schedule.rate(3), RATES)
    schedule.epoch_ended(240)
    np.testing.assert_allclose(schedule.rate(4), RATES / 241.0**power)


def test_adaptive_divides_the_rate_of_the_waiting_member_until_it_is_tiny() -> None:
    schedule = schedules.build("adaptive", RATES.copy(), 0.5, 10)
    for divisions in range(1, 9):
        if RATES[1] / 5.0 ** (divisions - 1) <= 1e-6:
            break
        assert not schedule.on_plateau(1)
        np.testing.assert_allclose(schedule.rate(0), [0.1, 0.02 / 5.0**divisions])
    assert schedule.on_plateau(1)
    assert not schedule.on_plateau(0)


@pytest.mark.parametrize("name", NAMES)
def test_members_that_stay_keep_their_rates(name: str) -> None:
    schedule = schedules.build(name, RATES.copy(), 0.5, 10)
    schedule.epoch_ended(100)
    schedule.on_plateau(1)
    expected = np.array(schedule.rate(7))[[1]]
    np.testing.assert_array_equal(schedule.take([1]).rate(7), expected)


@pytest.mark.parametrize("name", NAMES)
def test_schedules_of_several_stacks_are_joined(name: str) -> None:
    """Each member goes on at its own rate, and reacts on its own."""
    whole = schedules.build(name, np.array([0.1, 0.02, 0.3]), 0.5, 10)
    parts = [schedules.build(name, whole.initial[k].copy(), 0.5, 10) for k in ([0], [1, 2])]
    joined = schedules.join_schedules(parts)
    for schedule in (whole, joined):
        schedule.epoch_ended(100)
        schedule.on_plateau(2)
    assert not any(each.watch(9, np.zeros(3)).any() for each in (whole, joined))
    assert type(joined) is type(whole) and joined.kind == whole.kind
    for step in (0, 3, 20):
        np.testing.assert_array_equal(joined.rates(step, 4), whole.rates(step, 4))
    untouched = schedules.build(name, whole.initial[[1, 2]], 0.5, 10)
    np.testing.assert_array_equal(parts[1].rate(0), untouched.rate(0))


def test_schedules_of_one_kind_differ_in_rates_only() -> None:
    def kind(
        name: str = "invscaling", rate: float = 0.1, power: float = 0.5, total: int = 9
    ) -> Any:
        return schedules.build(name, np.array([rate]), power, total).kind

    assert kind() == kind(rate=0.3) == kind(total=5) != kind(power=0.6)
    assert kind("cosine") == kind("cosine", power=0.6) != kind("cosine", total=5)
    assert len({kind(name) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_planned_schedules_use_up_their_epochs_without_a_warning(
    binary: Any, name: str, solver: str, estimator: type
) -> None:
    """Even where the loss has long stopped to improve by ``tol``."""
    X, y = binary
    fitted = estimator(
        hidden_layer_sizes=(4,), solver=solver, learning_rate=name, max_iter=25, tol=1.0,
        random_state=0, preset="sklearn",
    ).fit(X, y)  # fmt: skip
    assert fitted.n_iter_ == 25 and len(fitted.loss_curve_) == 25
    rates = fitted.history_["learning_rate"]
    assert rates[-1] < 0.01 * max(rates)
    assert np.argmax(rates) == 0 if name == "cosine" else 5 <= np.argmax(rates) <= 9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_schedules_belong_to_sgd(binary: Any) -> None:
    X, y = binary
    settings = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}
    adam = MLPClassifier(**settings, learning_rate="invscaling", preset="sklearn").fit(X, y)
    assert len(set(adam.history_["learning_rate"])) == 1
    sgd = MLPClassifier(**settings, learning_rate="invscaling", solver="sgd", preset="sklearn").fit(
        X, y
    )
    expected = [1e-3, *(1e-3 / (240.0 * epoch + 1) ** 0.5 for epoch in range(1, 5))]
    np.testing.assert_allclose(sgd.history_["learning_rate"], expected)
