"""The whole chain on real prices, as a newcomer would write it."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import tradewright as tw
from tradewright._optional import require

__all__ = ["HORIZON", "demo_plan", "run_demo"]

HORIZON = 5  # trading days
COST = 0.0005  # five basis points per unit of turnover and side
EXPERIMENT = "tradewright-demo"

#: What is trained, with parameters that fit a laptop and two minutes.
MODELS: dict[str, dict[str, Any]] = {
    "ridge": {"alpha": 10.0},
    "lightgbm": {"n_estimators": 150, "learning_rate": 0.03, "num_leaves": 15, "min_child_samples": 200, "subsample": 0.5,
                 "subsample_freq": 1},
    "mlp": {"hidden": (32, 16), "epochs": 12, "batch_size": 4096, "lr": 2e-3, "weight_decay": 1e-3},
}  # fmt: skip


@dataclass
class Scores:
    """What one model predicted out of sample, over all folds."""

    rows: list[NDArray[np.int64]] = field(default_factory=list)
    predictions: list[NDArray[np.float64]] = field(default_factory=list)
    folds: list[int] = field(default_factory=list)
    stopped: list[int | None] = field(default_factory=list)
    seconds: float = 0.0


def demo_plan(panel: tw.Panel, folds: int) -> tw.SplitPlan:
    """Two-year tests that follow each other, a year of validation before each, a week of embargo."""
    splitter = tw.WalkForward(n_splits=folds, test_size="2y", val_size="1y", embargo="7d")
    return splitter.plan(panel)


def run_demo(output: Path, *, folds: int = 8, seed: int = 7) -> None:
    """Run the demo and write everything under ``output``.

    Raises
    ------
    MissingExtraError
        Before anything is done, when torch, LightGBM, MLflow or matplotlib is not installed.
    InternalError
        When a reloaded model does not predict the very same bits.
    """
    for module in ("torch", "lightgbm", "mlflow", "matplotlib"):
        require(module, "the demo")
    started = time.perf_counter()
    console = Console()
    output = output.absolute()
    output.mkdir(parents=True, exist_ok=True)

    console.rule("1  Real prices to a panel")
    panel = tw.datasets.sp500_panel(horizon=HORIZON)
    console.print(str(panel), highlight=False)

    console.rule("2  A purged, embargoed walk-forward plan")
    plan = demo_plan(panel, folds)
    picture = _draw(plan, output / "plan.png")
    console.print(str(plan), highlight=False, soft_wrap=True)
    purged = int(plan[0].purged.indices()[-1])
    console.print(f"row {purged} in fold 0 is {plan.explain(purged, 0)}", highlight=False)
    console.print(f"drawn to {picture}", highlight=False, soft_wrap=True)

    console.rule("3  Is anything leaking?")
    report = tw.check(panel, plan)
    report.show()
    report.raise_if("error")

    console.rule("4  Three models, fold by fold")
    scores = {name: _train(name, panel, plan, seed, output, console) for name in MODELS}

    console.rule("5  Out of sample")
    for table in _tables(panel, plan, scores):
        console.print(table)
    console.print(
        f"Sharpe net: the sign of the forecast, held a day, {COST * 1e4:.0f} bp per unit of turnover. "
        "t: as if dates were independent; five-day labels overlap, so halve it.",
        highlight=False,
    )

    console.rule("6  Saved, reloaded in a fresh process, compared bit by bit")
    _save_predictions(scores, output)
    _compare_reloaded(output, folds, console)

    console.rule("Made")
    _list_files(output, console)
    console.print(f"{time.perf_counter() - started:.0f} s in all", highlight=False)


def _draw(plan: tw.SplitPlan, path: Path) -> Path:
    axes = plan.plot()
    axes.figure.savefig(path, dpi=120, bbox_inches="tight")
    return path


def _train(name: str, panel: tw.Panel, plan: tw.SplitPlan, seed: int, output: Path, console: Console) -> Scores:
    """Train one model on every fold and predict each test."""
    scores = Scores()
    began = time.perf_counter()
    for fold in plan.folds:
        model = tw.ModelRegistry.create(name, **MODELS[name])
        trainer = tw.ModelTrainer(
            model,
            experiment_name=EXPERIMENT,
            mlflow_uri=f"sqlite:///{output / 'mlflow.db'}",
            output_dir=output / "runs",
            seed=seed,
        )
        callbacks: list[tw.Callback] = [
            tw.ProgressBar(every_n=1_000),  # a bar in a terminal; in a log only the last line of each fold
            tw.EarlyStopping("val_loss", patience=20 if name == "lightgbm" else 3),
            tw.MLflowLogger(),
        ]
        result = trainer.train(panel, fold=fold, callbacks=callbacks, on_interrupt="raise")
        assert result.model is not None
        scores.rows.append(fold.test.indices())
        scores.predictions.append(np.asarray(result.model.predict(panel, rows=fold.test), dtype=np.float64))
        scores.folds.append(fold.index)
        scores.stopped.append(result.best_epoch)
        folder = output / "models"
        folder.mkdir(exist_ok=True)
        tw.save_model(result.model, folder / f"{name}-fold{fold.index}.tw")
    scores.seconds = time.perf_counter() - began
    best = ", ".join(str(turn) for turn in scores.stopped)
    console.print(f"{name}: {len(plan)} folds in {scores.seconds:.1f} s; best turn of each: {best}", highlight=False)
    return scores


def _tables(panel: tw.Panel, plan: tw.SplitPlan, scores: dict[str, Scores]) -> tuple[Table, Table]:
    """Scores per model pooled over the test rows of all folds, and the rank IC fold by fold."""
    assert panel.y is not None
    rows = np.concatenate([fold.test.indices() for fold in plan.folds])
    pooled = Table(title=f"{len(rows):,} out-of-sample rows of {len(plan)} folds")
    for column in ("model", "rank IC", "t", "Sharpe net", "loss (mse)", "vs. zero"):
        pooled.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for name, score in scores.items():
        pooled.add_row(name, *_pooled(panel, rows, np.concatenate(score.predictions)))
    # What the sign of any mostly positive forecast earns in stocks that went up.
    pooled.add_row("always long", "", "", f"{_sharpe(panel, rows, np.ones(len(rows))):+.2f}", "", "")

    by_fold = Table(title="rank IC of each fold, by its first year", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    by_fold.add_column("model", no_wrap=True)
    for fold in plan.folds:
        by_fold.add_column(str(panel.times[fold.test.indices()[0]])[:4], justify="right", no_wrap=True)
    for name, score in scores.items():
        parts = zip(score.rows, score.predictions, strict=True)
        ics = [tw.statistics.rank_ic(panel.y[part], guess, panel.time[part]).mean for part, guess in parts]
        by_fold.add_row(name, *(f"{value:+.3f}" for value in ics))
    return pooled, by_fold


def _pooled(panel: tw.Panel, rows: NDArray[np.int64], forecast: NDArray[np.float64]) -> list[str]:
    """Rank IC with its t statistic, Sharpe ratio and loss of one model."""
    assert panel.y is not None
    actual = panel.y[rows]
    ic = tw.statistics.rank_ic(actual, forecast, panel.time[rows])
    loss = float(tw.LossRegistry.create("mse")(actual, forecast))
    against_zero = loss / float(np.mean(actual**2)) - 1
    sharpe = _sharpe(panel, rows, np.sign(forecast))
    return [f"{ic.mean:+.4f}", f"{ic.t_statistic:+.1f}", f"{sharpe:+.2f}", f"{loss:.6f}", f"{against_zero:+.2%}"]


def _sharpe(panel: tw.Panel, rows: NDArray[np.int64], position: NDArray[np.float64]) -> float:
    """Annualised Sharpe ratio of positions held a day, net of costs."""
    assert panel.returns is not None
    assert panel.asset is not None
    earned = tw.statistics.portfolio_returns(
        position, panel.returns[rows], panel.time[rows], panel.asset[rows], cost=COST
    )
    return tw.statistics.sharpe_ratio(earned)


def _save_predictions(scores: dict[str, Scores], output: Path) -> None:
    import polars as pl

    pl.concat(
        pl.DataFrame({"model": [name] * len(rows), "fold": [fold] * len(rows), "row": rows, "prediction": forecast})
        for name, score in scores.items()
        for fold, rows, forecast in zip(score.folds, score.rows, score.predictions, strict=True)
    ).write_parquet(output / "predictions.parquet")


def _compare_reloaded(output: Path, folds: int, console: Console) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tradewright.cli.compare", str(output), str(folds)],
        capture_output=True,
        text=True,
        check=False,
    )
    console.print(done.stdout.rstrip(), highlight=False, soft_wrap=True)
    if done.returncode != 0:
        raise tw.InternalError(
            f"a reloaded model differs: {done.stderr.strip() or done.stdout.strip()}", code="demo.reload"
        )


def _list_files(output: Path, console: Console) -> None:
    for name, what in {
        "plan.png": "the folds, drawn",
        "predictions.parquet": "every out-of-sample prediction",
        "models": "a bundle per model and fold: tradewright inspect FILE",
        "runs": "config, environment, metrics, report and plots of each training",
        "mlflow.db": f"the runs: mlflow ui --backend-store-uri sqlite:///{output / 'mlflow.db'}",
    }.items():
        console.print(f"{output / name}  {what}", highlight=False, soft_wrap=True)
