"""Ensembles of models that were fitted apart: weighted averages of their predictions."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace
from sklearn.base import ClassifierMixin

from sknorm._inherited import Scored
from sknorm.backends import resolve
from sknorm.data.classes import IndicatorTarget
from sknorm.ensembles.base import BaseEnsemble
from sknorm.ensembles.members import network_of
from sknorm.estimators import MLPClassifier, MLPRegressor
from sknorm.estimators.documentation import filled
from sknorm.estimators.fitted import fitted_of
from sknorm.estimators.quantiles import ScoredRegressor, levels_of

_PARTS = {
    "weights": """
weights : array-like of shape (n_estimators,), default=None
    Not negative; only their ratios matter. Members of weight zero are left out. None weighs
    all members the same.
""",
    "members": """
estimators_ : list of fitted estimators
    The members with positive weights, in the order of ``estimators``.
weights_ : ndarray of shape (n_members,)
    Their weights, with a sum of one.
""",
    "names": """
n_features_in_ : int
feature_names_in_ : ndarray of shape (n_features,)
    If the members were fitted to a data frame.
""",
    "notes": """
Notes
-----
Members without a Pipeline that have the same layers predict together, in one stack of
networks. X is an array of any library on any device if all members take it.

References
----------
.. [1] Caruana, Niculescu-Mizil, Crew and Ksikes (2004), Ensemble selection from libraries of
   models, ICML.
""",
}


@filled(**_PARTS)
class EnsembleClassifier(Scored, ClassifierMixin, BaseEnsemble):
    r"""Weighted average of the class probabilities of several classifiers.

    .. math:: p(x) = \sum_k w_k \, p_k(x) \Big/ \sum_k w_k

    ``fit`` trains new members; :meth:`from_fitted` takes models as they are, for example those
    that greedy forward selection chose [1]_.

    Parameters
    ----------
    estimators : list of MLPClassifier, or of Pipelines that end in one
        The members, fitted or not: ``fit`` clones them.
    {weights}

    Attributes
    ----------
    {members}
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_outputs_ : int
        Columns of a member's raw output: 1 for two classes.
    {names}

    See Also
    --------
    EnsembleRegressor : The same for numeric targets.
    sklearn.ensemble.VotingClassifier : Of estimators of any kind, with names.

    {notes}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.model_selection import EnsembleClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> members = [MLPClassifier(alpha=a, preset="fast", max_iter=20, random_state=0)
    ...            for a in (0.0, 0.1)]
    >>> ensemble = EnsembleClassifier(members, weights=[2, 1]).fit(X, y)
    >>> ensemble.predict_proba(X).shape
    (150, 3)
    """

    _member = MLPClassifier
    _method = "predict_proba"

    @property
    def classes_(self) -> np.ndarray:
        """Class labels, (n_classes,)."""
        return self.estimators_[0].classes_

    def predict_proba(self, X: Any) -> np.ndarray:
        """Average the members' class probabilities.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; rows sum to one, except for multilabel
            targets, whose columns are independent.
        """
        return self._average(X, "predict_proba")

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the averaged class probabilities.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``.
        """
        probability = self._average(X, "predict_log_proba")
        with np.errstate(divide="ignore"):
            return array_namespace(probability).log(probability)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the most probable class labels.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels out of ``classes_``, the first of those that tie; for multilabel targets an
            indicator matrix of the labels whose probability is above one half.
        """
        probability = self._average(X, "predict")
        target: Any = fitted_of(network_of(self.estimators_[0])).target
        return target.decode(probability, X)

    def _traits(self, model: Any) -> dict[str, Any]:
        labels = isinstance(fitted_of(model).target, IndicatorTarget)
        return {"classes_": model.classes_.tolist(), "kind of labels": labels}

    def _answer(self, model: Any, value: Any) -> Any:
        target: Any = fitted_of(model).target
        return target.probabilities(value)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@filled(**_PARTS)
class EnsembleRegressor(Scored, ScoredRegressor, BaseEnsemble):
    r"""Weighted average of the predictions of several regressors.

    .. math:: \hat y(x) = \sum_k w_k \, \hat y_k(x) \Big/ \sum_k w_k

    ``fit`` trains new members; :meth:`from_fitted` takes models as they are, for example those
    that greedy forward selection chose [1]_.

    Parameters
    ----------
    estimators : list of MLPRegressor, or of Pipelines or TransformedTargetRegressors of one
        The members, fitted or not: ``fit`` clones them.
    {weights}

    Attributes
    ----------
    {members}
    n_outputs_ : int
        Number of targets.
    loss, quantile : str, and float or list of float
        What scorers may ask of a regressor: as the first member's.
    {names}

    See Also
    --------
    EnsembleClassifier : The same for class labels.
    sklearn.ensemble.VotingRegressor : Of estimators of any kind, with names.

    {notes}

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sknorm import MLPRegressor
    >>> from sknorm.model_selection import EnsembleRegressor
    >>> X, y = make_friedman1(200, random_state=0)
    >>> models = [MLPRegressor(preset="fast", max_iter=20, random_state=seed).fit(X, y)
    ...           for seed in range(2)]
    >>> EnsembleRegressor.from_fitted(models, weights=[2, 1]).predict(X).shape
    (200,)
    """

    _member = MLPRegressor
    _method = "predict"

    def predict(self, X: Any) -> np.ndarray:
        """Average the members' predictions.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_outputs), (n_samples, n_quantiles) or \
                (n_samples, n_outputs, n_quantiles)
            In the units of the training targets. Averages of quantiles do not cross, as the
            members' do not.
        """
        return self._average(X, "predict")

    @property
    def loss(self) -> str:
        """The loss of the first member."""
        return network_of(self.estimators_[0]).loss

    @property
    def quantile(self) -> Any:
        """The level or levels of the first member's quantile loss, for scorers of quantiles."""
        return network_of(self.estimators_[0]).quantile

    def _fitted_levels(self) -> tuple[float, ...] | None:
        return levels_of(fitted_of(network_of(self.estimators_[0])).target.loss)

    def _traits(self, model: Any) -> dict[str, Any]:
        loss: Any = fitted_of(model).target.loss
        levels = list(loss.levels) if loss.adds_axis else []
        return {"n_outputs_": model.n_outputs_, "quantile": levels}

    def _answer(self, model: Any, value: Any) -> Any:
        target: Any = fitted_of(model).target
        return target.decode(target.in_units(resolve(value), value))[0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
