"""The record of where a run took place."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import tradewright
from tradewright import _optional
from tradewright.runtime.threads import num_threads

__all__ = ["environment", "git_sha", "library_versions", "machine", "show_versions"]

#: The libraries whose versions can change a result.
_LIBRARIES = (
    "tradewright",
    "numpy",
    "polars",
    "pandas",
    "pyarrow",
    "narwhals",
    "scikit-learn",
    "scipy",
    "torch",
    "lightgbm",
    "xgboost",
    "catboost",
    "mlflow",
    "skops",
    "safetensors",
    "onnx",
    "onnxruntime",
    "ray",
)
_THREAD_VARIABLES = ("TRADEWRIGHT_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
#: Import names that differ from what pip calls them.
_DISTRIBUTIONS = {"sklearn": ("scikit-learn",), "xgboost": ("xgboost", "xgboost-cpu")}


def git_sha() -> str | None:
    """Return the commit of the working directory, with ``-dirty`` when tracked files differ; None outside a repository.

    One ``git`` call of a few milliseconds, each time: a notebook lives through many commits.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    text = done.stdout.strip()
    return text if done.returncode == 0 and text else None


def library_versions(*names: str) -> dict[str, str]:
    """Return the versions of the named distributions, and Python's; those not installed are left out.

    Reads the packages' metadata; imports nothing.

    Examples
    --------
    >>> sorted(library_versions("numpy", "tradewright", "no-such-library"))
    ['numpy', 'python', 'tradewright']
    """
    versions = {"python": platform.python_version()}
    for name in names:
        version = _version(name)
        if version is not None:
            versions[name] = version
    return versions


@cache
def _version(name: str) -> str | None:
    if name == "tradewright":
        return tradewright.__version__
    for distribution in _DISTRIBUTIONS.get(name, (name,)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    return None


def environment() -> dict[str, Any]:
    """Return the record of this environment, as plain JSON values.

    Returns
    -------
    dict
        ``python``, ``os``, ``cpu``, ``cores``, ``accelerators``, ``versions`` (by distribution), ``threads``,
        ``git_sha``. What torch knows is there when torch is loaded.
    """
    versions = library_versions(*_LIBRARIES)
    versions.pop("python")
    of_machine = machine()
    accelerators: list[str] = []
    if _optional.is_loaded("torch"):
        from tradewright.runtime import device_torch

        of_machine["threads"]["torch"] = device_torch.num_threads()
        accelerators = device_torch.accelerators()
    return of_machine | {
        "executable": sys.executable,
        "accelerators": accelerators,
        "versions": versions,
        "git_sha": git_sha(),
    }


def machine() -> dict[str, Any]:
    """Return Python, system, processor and threads, as plain JSON values; starts no other program.

    Examples
    --------
    >>> sorted(machine())
    ['cores', 'cpu', 'os', 'python', 'threads']
    """
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "os": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": {
            "tradewright": num_threads(),
            **{name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ},
        },
    }


@cache
def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def show_versions() -> None:
    """Print the versions and the machine, to be pasted into a bug report.

    Examples
    --------
    >>> show_versions()
    tradewright ...
    """
    record = environment()
    versions = record["versions"]
    lines = [f"tradewright {versions.pop('tradewright')}", ""]
    facts = {
        "Python": record["python"],
        "system": record["os"],
        "CPU": f"{record['cpu']}, {record['cores']} cores",
        "threads": ", ".join(f"{name} {count}" for name, count in record["threads"].items()),
        "git": record["git_sha"] or "not in a repository",
    }
    for table in (facts, versions):
        width = max(len(name) for name in table) if table else 0
        lines += [f"  {name:<{width}}  {value}" for name, value in table.items()]
        lines.append("")
    print("\n".join(lines).rstrip())
