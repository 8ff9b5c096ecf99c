"""Those of scikit-learn's checks that fit a model, for configurations beside the default one.

The others look at parameters, tags and validation, which are the same for all configurations.
"""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

FITTING = {
    "check_class_weight_classifiers",
    "check_classifiers_classes",
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_estimators_dtypes",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_non_transformer_estimators_n_iter",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


def parametrize_with_fitting_checks(
    estimators: dict[str, Any], seldom: tuple[str, ...] = ()
) -> pytest.MarkDecorator:
    """What ``parametrize_with_checks`` does, with fewer checks; keys name the configurations.

    Those of ``seldom`` names are thorough.
    """
    thorough = [pytest.mark.thorough]
    cases = [
        pytest.param(
            estimator,
            check,
            id=f"{name}-{name_of(check)}",
            marks=thorough if name in seldom else [],
        )
        for name, configured in estimators.items()
        for estimator, check in estimator_checks_generator(configured)
        if name_of(check) in FITTING
    ]
    return pytest.mark.parametrize(("estimator", "check"), cases)


def parametrize_with_different_checks(
    estimators: list[Any], expected_failed_checks: Any = None
) -> pytest.MarkDecorator:
    """``parametrize_with_checks``, of which repeats with arrays of the same library are thorough.

    Those are arrays of float64 on its first device, beside float32 on another, and matrices of
    SciPy beside its arrays.
    """
    mark = parametrize_with_checks(estimators, expected_failed_checks=expected_failed_checks)
    names, cases = mark.args
    return pytest.mark.parametrize(names, [seldom(case) for case in cases], **mark.kwargs)


def seldom(case: Any) -> Any:
    """A case of scikit-learn's, maybe thorough."""
    _, check = getattr(case, "values", case)
    told = getattr(check, "keywords", {})
    repeats = told.get("device_name") == "CPU_DEVICE"
    if repeats or name_of(check) in ("check_estimator_sparse_matrix",):
        return pytest.param(*getattr(case, "values", case), marks=pytest.mark.thorough)
    return case


def name_of(check: Any) -> str:
    """A check is a function or a partial of one, maybe of a partial."""
    return check.__name__ if hasattr(check, "__name__") else name_of(check.func)
