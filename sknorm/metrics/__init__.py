"""Scores of predictions that scikit-learn's do not take."""

from sknorm.metrics.pinball import d2_pinball_score, d2_pinball_scorer
from sknorm.metrics.roc_auc import roc_auc_score, roc_auc_scorer

__all__ = ["d2_pinball_score", "d2_pinball_scorer", "roc_auc_score", "roc_auc_scorer"]
