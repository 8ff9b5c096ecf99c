"""The score of regressors, of which those of several quantiles have another."""

from typing import Any

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from sknorm.metrics import d2_pinball_score
from sknorm.objective.losses import Loss, Quantile


class ScoredRegressor(RegressorMixin):
    """``score`` by R2, or by D2 of the pinball loss for several quantiles."""

    def _fitted_levels(self) -> tuple[float, ...] | None:
        """The levels of the quantiles that are predicted; None under another loss."""
        raise NotImplementedError

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score predictions: 1 if perfect, 0 if no better than a constant.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            R2 (:func:`sklearn.metrics.r2_score`), averaged over the outputs. Of several quantiles,
            :func:`sknorm.metrics.d2_pinball_score`: the same for the pinball loss, averaged over
            the outputs and levels.
        """
        predicted, levels = self.predict(X), self._fitted_levels()
        if levels is not None and len(levels) > 1:
            return d2_pinball_score(y, predicted, alpha=levels, sample_weight=sample_weight)
        if predicted.ndim == 3:  # a list of one level adds an axis too
            predicted = predicted[:, :, 0]
        return r2_score(y, predicted, sample_weight=sample_weight)


def levels_of(loss: Loss) -> tuple[float, ...] | None:
    """The levels of a loss of quantiles; None of another loss."""
    return loss.levels if isinstance(loss, Quantile) else None
