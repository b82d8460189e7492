"""Train a few runs, open them in MLflow's own page in headless Chromium, and take pictures of it.

    python scripts/ui_screenshot.py FOLDER

What a test cannot see, an eye can: names that run together, missing artifacts, plots nobody can read. Needs MLflow,
LightGBM, torch, matplotlib, and Chromium (Debian: ``apt-get install chromium``). Writes ``experiment.png``, ``run.png``,
``artifacts.png`` and ``model.png`` into FOLDER; ``run.png`` and ``artifacts.png`` are the pictures of docs/tracking.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tradewright as tw

EXPERIMENT = "sp500-forecast"
MODELS: dict[str, dict[str, Any]] = {
    "ridge": {"alpha": 10.0},
    "lightgbm": {"n_estimators": 150, "learning_rate": 0.03, "num_leaves": 15, "min_child_samples": 200},
    "mlp": {"hidden": (32, 16), "epochs": 12, "batch_size": 4096, "lr": 2e-3},
}


def train(store: Path) -> None:
    """Train every model on the last fold."""
    panel = tw.datasets.sp500_panel(horizon=5)
    plan = tw.WalkForward(n_splits=4, test_size="2y", val_size="1y", embargo="7d").plan(panel)
    for name, params in MODELS.items():
        trainer = tw.ModelTrainer(
            tw.ModelRegistry.create(name, **params),
            EXPERIMENT,
            mlflow_uri=f"sqlite:///{store / 'mlflow.db'}",
            output_dir=store / "runs",
            seed=7,
            registered_model_name="sp500-forecast" if name == "lightgbm" else None,
            registered_model_alias="champion" if name == "lightgbm" else None,
        )
        trainer.train(panel, fold=plan[-1], callbacks=[tw.EarlyStopping(patience=20), tw.MLflowLogger()])


@contextlib.contextmanager
def server(store: Path) -> Iterator[str]:
    """Run MLflow's server on the store; yield where it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    place = [
        "--backend-store-uri",
        f"sqlite:///{store / 'mlflow.db'}",
        "--artifacts-destination",
        str(store / "mlartifacts"),
    ]
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (store / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *place], cwd=store, env=quiet, stdout=log, stderr=log, start_new_session=True
        )
        try:
            for _ in range(600):
                if process.poll() is not None:
                    raise RuntimeError((store / "server.log").read_text())
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                    break
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def photograph(url: str, path: Path, *, height: int = 1000) -> None:
    """Write a picture of a page once it has had time to draw itself."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio"]
        command += [f"--user-data-dir={profile}", f"--window-size=1500,{height}", "--virtual-time-budget=30000"]
        subprocess.run([*command, f"--screenshot={path}", url], check=True, capture_output=True, timeout=300)
    print(path)


def crop(path: Path, width: int = 1112, blank: Sequence[tuple[int, int, int, int]] = ()) -> None:
    """Keep what the page shows of ours, without MLflow's own panels, and with ``blank`` parts painted over."""
    from PIL import Image

    with Image.open(path) as picture:
        for box in blank:
            picture.paste((255, 255, 255), box)
        kept = picture.crop((195, 0, width, picture.height)).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    kept.save(path, optimize=True)


def main() -> None:
    """Train, serve, photograph."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument(
        "--store", type=Path, help="folder of the store, which is kept; if it has one, nothing is trained"
    )
    chosen = parser.parse_args()
    folder = chosen.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory())
        store = Path(made) if chosen.store is None else chosen.store.absolute()
        store.mkdir(parents=True, exist_ok=True)
        if not (store / "mlflow.db").exists():
            train(store)
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")
        found = client.get_experiment_by_name(EXPERIMENT)
        run = client.search_runs([found.experiment_id], "tags.framework = 'lightgbm' and status = 'FINISHED'")[0]
        (output,) = run.outputs.model_outputs
        uri = stack.enter_context(server(store))
        experiment = f"{uri}/#/experiments/{run.info.experiment_id}"
        training = "?workflowType=machine_learning"  # the page for trained models, not for language models
        photograph(f"{experiment}/runs{training}", folder / "experiment.png", height=700)
        photograph(f"{experiment}/runs/{run.info.run_id}{training}", folder / "run.png", height=1500)
        crop(folder / "run.png")
        plot = f"{experiment}/runs/{run.info.run_id}/artifacts/residuals.png{training}"
        photograph(plot, folder / "artifacts.png", height=540)
        # Where the file lies on this machine is nobody else's business.
        crop(folder / "artifacts.png", blank=[(440, 166, 1090, 194)])
        photograph(f"{experiment}/models/{output.model_id}{training}", folder / "model.png")


if __name__ == "__main__":
    main()
