"""Reload the demo's models in a process of their own and compare their predictions bit by bit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

import tradewright as tw
from tradewright.cli.demo import HORIZON, demo_plan

__all__ = ["compare"]


def compare(output: Path, folds: int) -> int:
    """Print a line per model; return how many predictions differ in any bit."""
    panel = tw.datasets.sp500_panel(horizon=HORIZON)
    plan = demo_plan(panel, folds)
    saved = pl.read_parquet(output / "predictions.parquet")
    differing = 0
    for name in saved["model"].unique(maintain_order=True):
        rows = equal = 0
        for fold in plan.folds:
            before = saved.filter((pl.col("model") == name) & (pl.col("fold") == fold.index))
            model = tw.load_model(output / "models" / f"{name}-fold{fold.index}.tw")
            now = np.asarray(model.predict(panel, rows=fold.test), dtype=np.float64)
            if model.metadata.plan_digest != plan.digest or model.metadata.data_fingerprint != panel.fingerprint:
                print(f"{name} fold {fold.index}: the bundle was made from other data or another plan")
                differing += len(now)
                continue
            same = before["prediction"].to_numpy().view(np.int64) == now.view(np.int64)
            rows, equal = rows + len(now), equal + int(same.sum())
        differing += rows - equal
        print(f"{name}: {equal:,} of {rows:,} predictions equal in every bit; data and plan digests hold")
    return differing


if __name__ == "__main__":
    sys.exit(1 if compare(Path(sys.argv[1]), int(sys.argv[2])) else 0)
