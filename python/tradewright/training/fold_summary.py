"""What the folds of a plan come to, for the run they are nested in."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tradewright import _optional
from tradewright.errors import DataError
from tradewright.tracking import TrackingRun, plots
from tradewright.training.result import TrainingResult

__all__ = ["log_fold_summary"]


def log_fold_summary(run: TrackingRun, results: Mapping[int, TrainingResult]) -> dict[str, float]:
    """Log mean and deviation over the folds to their parent run, and a plot of each metric fold by fold.

    Parameters
    ----------
    run : TrackingRun
        The parent run, still open.
    results : mapping of fold to TrainingResult
        What came of each fold.

    Returns
    -------
    dict of str to float
        What was logged: ``mean_<metric>`` and, of two folds or more, ``std_<metric>`` (of a sample) over the folds where
        it is finite, and ``n_folds``.
    """
    by_fold = {fold: {**result.metrics} for fold, result in results.items()}
    names = dict.fromkeys(name for metrics in by_fold.values() for name in metrics if name not in ("lr", "seconds"))
    summary = {"n_folds": float(len(results))}
    for name in names:
        values = np.array([metrics[name] for metrics in by_fold.values() if name in metrics], dtype=np.float64)
        values = values[np.isfinite(values)]
        if len(values):
            summary[f"mean_{name}"] = float(values.mean())
        if len(values) > 1:
            summary[f"std_{name}"] = float(values.std(ddof=1))
    run.log_metrics(summary, step=0)
    run.set_tags(
        {f"status_fold_{fold}": result.status for fold, result in results.items() if result.status != "completed"}
    )
    if _optional.is_available("matplotlib"):
        with tempfile.TemporaryDirectory() as folder:
            try:
                run.log_artifact(plots.plot_fold_metrics(by_fold, Path(folder) / "fold_metrics.png"))
            except DataError as error:
                run.set_tags({"fold_metrics": f"not drawn: {error}"})
    return summary
