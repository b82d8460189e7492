"""What MLflow's pyfunc loads of a tradewright model: the bundle, behind ``predict``.

The file ``MLmodel`` of a logged model names this module, so its name must last. It imports nothing of MLflow; how such a
folder is written is the business of ``tradewright.tracking.pyfunc_flavour``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tradewright.base import BaseModel
from tradewright.errors import DataError, ParameterError, UnsafeFormatError
from tradewright.panel import Panel
from tradewright.serialization.serializer import load_model

__all__ = ["ServedModel"]

METHODS = ("predict", "predict_proba")


class ServedModel:
    """A model as MLflow calls it: with a pandas frame or an array, and perhaps ``params``.

    Parameters
    ----------
    model : BaseModel
        Fitted.
    """

    def __init__(self, model: BaseModel) -> None:
        self.model = model

    def __repr__(self) -> str:
        return f"ServedModel({self.model!r})"

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict; the same bits as the bundle's own model for the same frame or row-major array.

        Parameters
        ----------
        model_input : pandas.DataFrame, or ndarray of shape (n_rows, n_features)
            The features by name, in any order. A model that reads the past of a row takes a frame with the columns
            ``time`` and, if it was trained on several assets, ``asset`` besides, and with the rows of the past: as many
            as its window has, of each asset.
        params : mapping, optional
            ``{"predict_method": "predict_proba"}`` for probabilities.

        Returns
        -------
        ndarray of shape (n_rows,), or frame
            Predictions in the order of the rows, NaN where the past of a row is too short. Probabilities are a frame
            with a column per class where the input is one, else an array.

        Raises
        ------
        ParameterError
            For another method.
        UnsupportedError
            For probabilities of a model that gives none.
        DataError, FeatureMismatchError
            As :meth:`tradewright.BaseModel.predict`; without times, where they are needed.
        """
        method = (params or {}).get("predict_method", METHODS[0])
        if method not in METHODS:
            raise ParameterError(f"predict_method={method!r}: pass one of {', '.join(METHODS)}", code="pyfunc.method")
        rows = model_input
        if self.model.reads_history:
            rows = self._with_past(model_input)
        elif not hasattr(model_input, "columns"):
            # MLflow makes column-major arrays of frames, and sums over their rows would round otherwise.
            rows = np.ascontiguousarray(model_input)
        predictions = getattr(self.model, method)(rows)
        if method == METHODS[0] or not hasattr(model_input, "columns"):
            return predictions
        names = [str(name) for name in self.model.metadata.classes or ()]
        return type(model_input)(predictions, columns=names, index=model_input.index)

    def _with_past(self, frame: Any) -> Panel:
        """Return the rows as a panel, in which each row's past is found."""
        columns = [str(name) for name in getattr(frame, "columns", ())]
        if "time" not in columns:
            raise DataError(
                "this model reads the earlier rows of each asset: pass a frame with the columns time, asset (for several"
                " assets) and the features, with the rows before those that are to be predicted",
                code="pyfunc.no_time",
            )
        asset = "asset" if "asset" in columns else None
        return Panel.from_frame(
            frame, target=None, time="time", asset=asset, features=self.model.metadata.feature_names
        )


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> ServedModel:
    """Load the bundle at ``path``: what ``mlflow.pyfunc.load_model`` calls.

    ``model_config={"trusted": True}`` allows a bundle that holds a pickle, which runs code.
    """
    try:
        return ServedModel(load_model(path, trusted=bool((model_config or {}).get("trusted", False))))
    except UnsafeFormatError as error:
        error.add_note("with MLflow: mlflow.pyfunc.load_model(uri, model_config={'trusted': True})")
        raise
