"""A fitted model as an MLflow model folder: its bundle, behind MLflow's pyfunc.

Nothing is pickled and nothing is inferred by running it: the signature comes from the input example and the model's
metadata, the requirements from the versions it was fitted with. That takes some milliseconds; MLflow's own inference of
requirements starts a process and takes seconds.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tradewright
from tradewright import _optional
from tradewright.base import BaseModel, ModelMetadata
from tradewright.errors import ParameterError, UnsupportedError
from tradewright.tracking.column_types import column_type
from tradewright.tracking.quiet import quiet

__all__ = ["save_pyfunc"]

#: The module that MLflow asks to load the bundle. Folders written once name it for good.
LOADER = "tradewright.serialization.mlflow_pyfunc"
BUNDLE = "model.tw"
FLAVOUR = "tradewright"
#: The distributions of libraries whose import has another name, and of those that come as one of several.
_WHEELS = {"sklearn": "scikit-learn"}
_OTHER_WHEELS = {"xgboost": ("xgboost-cpu",)}


def save_pyfunc(
    model: BaseModel,
    path: str | PathLike[str],
    *,
    input_example: Any,
    output_example: NDArray[Any] | None = None,
    bundle: str | PathLike[str] | None = None,
) -> Path:
    """Write an MLflow model folder, for ``mlflow.pyfunc.load_model``, the model registry and ``mlflow models serve``.

    Parameters
    ----------
    model : BaseModel
        Fitted, of one of tradewright's own classes.
    path : path-like
        The folder to make.
    input_example : pandas.DataFrame, or ndarray of shape (n_rows, n_features)
        A few rows, which are kept in the folder. A frame gives a signature of named columns; an array, for a model that
        was fitted without names, one of a matrix. For a model that reads the past of a row, a frame with ``time``,
        ``asset`` (for several assets) and the features.
    output_example : ndarray, optional
        What the model predicts for them; by default it is asked.
    bundle : path-like, optional
        The model's bundle where there is one already.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    NotFittedError
        Before the first fit.
    UnsupportedError
        When the model is of a class of your own, which the loader could not find; when it reads the past of a row and
        has features called ``time`` or ``asset``.
    ParameterError
        When there is a folder at ``path``.
    MissingExtraError
        Without MLflow.
    """
    with quiet():  # a first import of MLflow warns
        pyfunc = _optional.require("mlflow.pyfunc", "an MLflow model")
        from mlflow.models import Model
    metadata = model.metadata
    _refuse(model, input_example)
    folder = Path(path)
    if folder.exists():
        raise ParameterError(f"{folder} is there already: name a new folder", code="pyfunc.path", path=str(folder))
    if output_example is None:
        output_example = model.predict(input_example)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if bundle is None:
            bundle = Path(stack.enter_context(tempfile.TemporaryDirectory())) / BUNDLE
            model.save(bundle)
        data = f"data/{Path(bundle).name}"
        described = Model(metadata=_facts(metadata))
        described.add_flavor(FLAVOUR, bundle=data, model_class=metadata.model_class, version=tradewright.__version__)
        with quiet():
            pyfunc.save_model(
                path=str(folder),
                loader_module=LOADER,
                data_path=str(bundle),
                mlflow_model=described,
                signature=_signature(input_example, output_example, proba=hasattr(model, "predict_proba")),
                input_example=input_example,
                pip_requirements=requirements(metadata),
                # Keys that are not here could not be given at loading.
                model_config={"trusted": False},
            )
    return folder


def requirements(metadata: ModelMetadata) -> list[str]:
    """Return the pip requirements of a model: the versions of what it was fitted with.

    MLflow adds its own version. A build's local part (``2.10.0+cpu``) is left out: no index knows it.
    """
    wheels = {
        _WHEELS.get(name, name): version for name, version in metadata.library_versions.items() if name != "python"
    }
    if metadata.framework not in wheels:
        for name in _OTHER_WHEELS.get(metadata.framework, ()):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                wheels[name] = importlib.metadata.version(name)
    return sorted(f"{name}=={version.partition('+')[0]}" for name, version in wheels.items())


def _refuse(model: BaseModel, input_example: Any) -> None:
    """Refuse what a loader could not bring back, or could not ask."""
    cls = type(model)
    if cls.__module__.partition(".")[0] != "tradewright":
        raise UnsupportedError(
            f"a {cls.__name__} is of a class of your own, which MLflow's loader could not find: its bundle is loaded by"
            f" {cls.__name__}.load(path)",
            code="pyfunc.model_class",
        )
    taken = {"time", "asset"} & set(model.metadata.feature_names)
    if model.reads_history and taken:
        raise UnsupportedError(
            f"the feature {sorted(taken)[0]!r} has the name of a column that says when or whose a row is: rename it to"
            " log the model for MLflow",
            code="pyfunc.feature_name",
        )
    if model.reads_history and "time" not in getattr(input_example, "columns", ()):
        raise ParameterError(
            "this model reads the past of a row: pass an input_example with the columns time, asset (for several assets)"
            " and the features",
            code="pyfunc.input_example",
        )


def _facts(metadata: ModelMetadata) -> dict[str, Any]:
    """Return what the file MLmodel says of the model's origin."""
    names = ("framework", "task", "data_fingerprint", "plan_digest", "report_digest", "fold", "seed", "git_sha")
    facts = {name: getattr(metadata, name) for name in names}
    return {name: value for name, value in facts.items() if value is not None}


# --- signature ----------------------------------------------------------------------------------------------------


def _signature(given: Any, predicted: NDArray[Any], *, proba: bool) -> Any:
    """Return the signature: what MLflow holds inputs against before the model sees them."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec

    if hasattr(given, "columns"):
        # Every column is needed: a model has no default for a feature.
        inputs = Schema([ColSpec(column_type(given[name].to_numpy().dtype), str(name)) for name in given.columns])
    else:
        matrix = np.asarray(given)
        inputs = Schema([TensorSpec(matrix.dtype, (-1, matrix.shape[1]))])
    found = np.asarray(predicted)
    named = found.dtype.kind in "OSU"
    outputs = Schema([ColSpec("string")] if named else [TensorSpec(found.dtype, (-1,))])
    method = ParamSpec("predict_method", "string", "predict")
    return ModelSignature(inputs, outputs, ParamSchema([method]) if proba else None)
