"""The wheel a user gets, in an environment with no extras."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    # The release profile, so that the build of the development install is reused; users get `--profile wheel`.
    subprocess.run(
        [BIN / "maturin", "build", "--release", "--locked", "--quiet", "--out", out, "--interpreter", sys.executable],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        check=True,
        capture_output=True,
    )
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def bare_python(wheel, tmp_path_factory) -> Path:
    """An interpreter that has the wheel and its run-time dependencies, nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    install = [
        BIN / "uv",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        ROOT / "constraints.txt",
        "--python",
        python,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    return python


def run(python: Path, code: str, cwd: Path) -> str:
    """Run code without the checkout on the path."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [python, "-c", textwrap.dedent(code)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_serves_every_python_and_carries_its_notices(wheel):
    assert "-cp311-abi3-" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("licenses/NOTICE") for name in names)
    for part in ("py.typed", "_core.pyi", "__init__.pyi", "datasets/sp500_20_daily.parquet"):
        assert f"tradewright/{part}" in names


def test_panel_plan_and_report_work_without_any_extra(bare_python, tmp_path):
    out = run(
        bare_python,
        """
        import importlib.util
        import tradewright as tw
        for extra in ("torch", "mlflow", "lightgbm", "pandas", "matplotlib"):
            assert importlib.util.find_spec(extra) is None, extra
        panel = tw.datasets.sp500_panel()
        plan = tw.WalkForward(n_splits=8, test_size="2y", val_size="1y", embargo="5d").plan(panel)
        report = tw.check(panel, plan)
        assert report.passed("error"), report
        model = tw.ModelRegistry.create("ridge")
        result = tw.ModelTrainer(model, mlflow_uri="off").train(panel, fold=plan[0])
        assert result.status == "completed"
        print(len(plan), len(report.findings), result.metrics["val_loss"] > 0)
        """,
        tmp_path,
    )
    assert out.split()[0] == "8"
    assert out.split()[-1] == "True"


def test_missing_extras_say_what_to_install(bare_python, tmp_path):
    out = run(
        bare_python,
        """
        import warnings
        import tradewright as tw
        calls = {
            "lightgbm": lambda: tw.ModelRegistry.create("lightgbm"),
            "torch": lambda: tw.ModelRegistry.create("mlp"),
            "plots": lambda: tw.PurgedKFold(n_splits=2).plan(range(10)).plot(),
            "mlflow": lambda: tw.ModelTrainer(tw.ModelRegistry.create("ridge"), mlflow_uri="sqlite:///x.db"),
        }
        for extra, call in calls.items():
            try:
                call()
            except tw.MissingExtraError as error:
                assert isinstance(error, ImportError)
                assert f"pip install 'tradewright[{extra}]'" in str(error), error
                print("told", extra)
        panel = tw.datasets.sp500_panel()
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            tw.ModelTrainer(tw.ModelRegistry.create("ridge")).train(panel, fold=tw.PurgedKFold(val_size=60).plan(panel)[1])
        assert any("tradewright[mlflow]" in str(item.message) for item in seen), [str(item.message) for item in seen]
        """,
        tmp_path,
    )
    assert out.split() == ["told", "lightgbm", "told", "torch", "told", "plots", "told", "mlflow"]


def test_command_line_works_without_extras(bare_python, tmp_path):
    command = bare_python.parent / "tradewright"
    done = subprocess.run([command, "models"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "ridge" in done.stdout
    assert "pip install 'tradewright[torch]'" in done.stdout
    refused = subprocess.run([command, "demo"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("tradewright demo: the demo needs")
    assert not list(tmp_path.iterdir())
