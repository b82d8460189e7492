"""Models in ONNX files, for serving: ONNX Runtime behind the face every model has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright import _optional
from tradewright.base import BaseModel, LoopObserver, ModelState, Resume, Samples
from tradewright.base.checks import first_nan
from tradewright.base.metadata import ModelMetadata, Task
from tradewright.errors import (
    DataError,
    FormatMismatchError,
    ModelLoadError,
    TradewrightError,
    UnsafeFormatError,
    UnsupportedError,
)
from tradewright.runtime.threads import num_threads

__all__ = ["FACTS", "OnnxModel"]

#: The name of our facts among the metadata of an ONNX file.
FACTS = "tradewright"
_PAYLOAD = "model.onnx"


class OnnxModel(BaseModel):
    """A model in an ONNX file, computed by ONNX Runtime: it predicts like the model it was exported from.

    What :meth:`tradewright.ModelSerializer.export_onnx` wrote knows its feature names, classes and metadata, and columns
    are found by name as everywhere. A file of another origin with one input of two dimensions is taken as well; its
    features are then called ``x0``, ``x1``, ….

    Parameters
    ----------
    data : bytes
        The file.

    Attributes
    ----------
    parity : dict or None
        How far the file was from its model when it was exported: see ``OnnxParity``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from tradewright import ModelRegistry, ModelSerializer, load_model
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = ModelRegistry.create("hist_gradient_boosting", max_iter=5).fit(X, X[:, 0])
    >>> path = Path(tempfile.mkdtemp()) / "model.onnx"
    >>> parity = ModelSerializer.export_onnx(model, path)
    >>> served = load_model(path, trusted=True)
    >>> bool(np.allclose(served.predict(X), model.predict(X), rtol=1e-12))
    True
    """

    framework = "onnx"
    _dtype = "float64"

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open()

    def _open(self) -> None:
        self._session = _session(self._data)
        facts = self._session.get_modelmeta().custom_metadata_map.get(FACTS)
        self._names = [output.name for output in self._session.get_outputs()]
        (self._input,) = _inputs(self._session)
        try:
            told = {} if facts is None else json.loads(facts)
            self._takes_nan_ = bool(told.get("takes_nan", True))
            self.parity: dict[str, Any] | None = told.get("parity")
            self._metadata = ModelMetadata.from_dict(told["metadata"]) if told else self._guessed()
        except TradewrightError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelLoadError(
                f"the ONNX file has facts of tradewright that make no sense ({error}): export the model again",
                code="onnx.facts",
            ) from error

    def _guessed(self) -> ModelMetadata:
        """What a file of another origin says of itself."""
        width = self._input.shape[1]
        kinds = [output.type for output in self._session.get_outputs()]
        if not isinstance(width, int) or not all(kind.startswith("tensor(") for kind in kinds):
            raise FormatMismatchError(
                f"the ONNX file has an input of shape {self._input.shape} and outputs {', '.join(kinds)}; known here are"
                " models of a fixed number of features whose outputs are tensors (export scikit-learn with zipmap=False)",
                code="onnx.kind",
            )
        classifies = len(kinds) == 2
        last = self._session.get_outputs()[-1].shape
        classes = tuple(range(last[1])) if classifies and len(last) == 2 and isinstance(last[1], int) else None
        return ModelMetadata(
            model_class=type(self).__name__,
            framework=self.framework,
            task="classification" if classifies else "regression",
            feature_names=tuple(f"x{j}" for j in range(width)),
            feature_dtypes=("float64",) * width,
            classes=classes,
        )

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.metadata.task

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """Those of the model that was exported."""
        return self.metadata.hyperparameters

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes of a classifier, in the order of the columns of ``predict_proba``."""
        return self.metadata.classes

    @property
    def libraries(self) -> tuple[str, ...]:
        """The distributions whose versions belong into the metadata."""
        return ("onnxruntime",)

    def to_bytes(self) -> bytes:
        """Return the file."""
        return self._data

    # --- prediction -----------------------------------------------------------------------------------------------

    def _predict(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self._run(X, self._names[0])).reshape(len(X))

    def _has_proba(self) -> bool:
        return len(self._names) == 2

    def _predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self._run(X, self._names[1]), dtype=np.float64)

    def _run(self, X: NDArray[Any], output: str) -> Any:
        place = None if self._takes_nan_ else first_nan(X)
        if place is not None:
            row, column = place[0], self.metadata.feature_names[place[1]]
            raise DataError(
                f"row {row}, column {column!r}: the value is NaN, which the exported model does not take: drop the row, or"
                " fill it",
                code="data.nan",
                row=row,
                column=column,
            )
        asked = np.float32 if self._input.type == "tensor(float)" else np.float64
        found = self._session.run([output], {self._input.name: np.ascontiguousarray(X, dtype=asked)})[0]
        return np.asarray(found, dtype=str) if np.asarray(found).dtype.kind == "O" else found

    # --- what is not there ----------------------------------------------------------------------------------------

    def fit(self, X: Any, y: ArrayLike | None = None, **further: Any) -> Self:
        """Refuse: an ONNX file only predicts.

        Raises
        ------
        UnsupportedError
            Always.
        """
        self._refuse_fit()

    def fit_samples(self, train: Samples, val: Samples | None = None, **further: Any) -> Self:
        """Refuse: an ONNX file only predicts.

        Raises
        ------
        UnsupportedError
            Always.
        """
        self._refuse_fit()

    def _refuse_fit(self) -> NoReturn:
        raise UnsupportedError(
            "a model in an ONNX file only predicts: fit the model it was exported from, and export that again",
            code="onnx.fit",
        )

    def _fit_loop(
        self,
        train: Samples,
        val: Samples | None,
        observer: LoopObserver,
        seed: int | None,
        resume: Resume | None = None,
    ) -> None:
        self._refuse_fit()

    def snapshot(self) -> ModelState | None:
        """Return None: there are no earlier turns."""
        return None

    def restore(self, state: ModelState) -> None:
        """Refuse: there are no earlier turns."""
        self._refuse_fit()

    def clone(self) -> Self:
        """Refuse: there is nothing that could be fitted anew."""
        self._refuse_fit()

    # --- saving ---------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {"_data": self._data, "_metadata": self._metadata}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._data = state["_data"]
        self._open()
        self._metadata = state["_metadata"]

    def _to_payloads(self) -> tuple[str, dict[str, bytes]]:
        return "onnx", {_PAYLOAD: self._data}

    def _config(self) -> dict[str, Any]:
        return {"parity": self.parity}

    @classmethod
    def _from_bundle(cls, _config: Mapping[str, Any], payload_format: str, payloads: Mapping[str, bytes]) -> Self:
        if payload_format != "onnx":
            raise FormatMismatchError(
                f"an OnnxModel is rebuilt from onnx, this bundle holds {payload_format}: use tradewright.load_model",
                code="bundle.payload_format",
            )
        return cls(payloads[_PAYLOAD])


def _session(data: bytes) -> Any:
    onnxruntime = _optional.require("onnxruntime", "OnnxModel")
    if b"location" in data:
        _refuse_external(data)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads()
    options.log_severity_level = 4  # its errors come as exceptions too
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes have no common base
        reason = str(error).strip().split("\n")[0][:300]
        raise ModelLoadError(
            f"ONNX Runtime {onnxruntime.__version__} cannot open the model ({reason}): it is damaged, or made for a newer"
            " one",
            code="onnx.open",
        ) from error


def _refuse_external(data: bytes) -> None:
    """Refuse a model whose weights lie in other files: those would be read from wherever it says."""
    onnx = _optional.require("onnx", "OnnxModel")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's
        raise ModelLoadError(f"the ONNX file is damaged ({error})", code="onnx.open") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model, onnx.TensorProto)):
        raise UnsafeFormatError(
            "the ONNX file keeps weights in other files, which are not read: save it with its weights inside"
            " (onnx.save, save_as_external_data=False)",
            code="onnx.external_data",
        )


def _tensors(message: Any, kind: type) -> Iterator[Any]:
    """Each tensor of a protobuf message, wherever it stands: constants, attributes, subgraphs, functions."""
    stack = [message]
    while stack:
        item = stack.pop()
        if isinstance(item, kind):
            yield item
            continue
        for field, value in item.ListFields():
            if field.message_type is not None:
                stack.extend([value] if hasattr(value, "ListFields") else value)


def _inputs(session: Any) -> list[Any]:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in ("tensor(float)", "tensor(double)") or len(inputs[0].shape) != 2:
        told = ", ".join(f"{entry.name}: {entry.type}, shape {entry.shape}" for entry in inputs)
        raise FormatMismatchError(
            f"the ONNX file has the inputs {told}; known here are models of one float input, shape (n_rows, n_features)",
            code="onnx.kind",
        )
    return list(inputs)
