"""Plots of a training, as PNG files; drawn without pyplot, whose figures belong to the user.

Each function writes one file and returns its path. Where there is nothing to draw it raises a DataError that says why.
"""

from __future__ import annotations

from tradewright.tracking.plots.calibration import plot_calibration
from tradewright.tracking.plots.confusion import plot_confusion
from tradewright.tracking.plots.fold_metrics import plot_fold_metrics
from tradewright.tracking.plots.importance import plot_importance
from tradewright.tracking.plots.learning_curve import plot_learning_curve
from tradewright.tracking.plots.residuals import plot_residuals

__all__ = [
    "plot_calibration",
    "plot_confusion",
    "plot_fold_metrics",
    "plot_importance",
    "plot_learning_curve",
    "plot_residuals",
]
