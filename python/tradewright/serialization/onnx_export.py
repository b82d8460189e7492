"""Fitted models as ONNX: the whole of them, checked against the model on real rows before anything is written."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tradewright.base import BaseModel
from tradewright.errors import ParameterError, UnsupportedError
from tradewright.models.onnx_model import FACTS, OnnxModel
from tradewright.serialization.onnx_graph import INPUT, OnnxGraph
from tradewright.serialization.onnx_parity import OnnxParity, measure
from tradewright.serialization.onnx_trees import Ensemble, add_scores

__all__ = ["DEFAULT_TOLERANCE", "to_onnx"]

#: The largest difference allowed, in standard deviations of the predictions, or of a probability.
DEFAULT_TOLERANCE = 1e-5


def to_onnx(
    model: BaseModel, X: Any = None, *, tolerance: float = DEFAULT_TOLERANCE, allow_mismatch: bool = False
) -> OnnxModel:
    """Return a fitted model as the ONNX file it becomes; ``to_bytes`` of the result is that file.

    See :meth:`tradewright.ModelSerializer.export_onnx`.
    """
    if isinstance(model, OnnxModel):
        return model
    metadata = model.metadata
    graph = OnnxGraph()
    _add_model(graph, model)
    rows = _rows(model, X)
    facts = {"version": 1, "takes_nan": _takes_nan(model), "metadata": metadata.to_dict()}
    proto = graph.model(len(metadata.feature_names), {})
    served = _with_facts(proto, facts)
    parity = measure(model, served, rows, tolerance=tolerance, allowed=allow_mismatch)
    _judge(parity)
    return _with_facts(proto, facts | {"parity": parity.to_dict()})


def _with_facts(proto: onnx.ModelProto, facts: dict[str, Any]) -> OnnxModel:
    onnx.helper.set_model_props(proto, {FACTS: json.dumps(facts, sort_keys=True, allow_nan=False)})
    return OnnxModel(proto.SerializeToString(deterministic=True))


def _judge(parity: OnnxParity) -> None:
    lossy = ", ".join(parity.lossy_features[:10])
    if not parity.holds and not parity.mismatch_allowed:
        raise UnsupportedError(
            f"the ONNX form predicts otherwise on {parity.n_rows} rows: by {parity.max_abs_error:.3g} at most"
            f" ({parity.max_rel_error:.3g} standard deviations, {parity.tolerance:g} allowed), {parity.label_flips} labels"
            f" differ{f'; float32 has no room for the values of {lossy}' if lossy else ''}. Nothing was written; pass"
            " allow_mismatch=True to write it all the same",
            code="onnx.mismatch",
            parity=parity,
        )
    if lossy:
        warnings.warn(
            f"float32 has no room for the values of {lossy}: hand the ONNX file float64, as it asks for",
            UserWarning,
            stacklevel=4,
        )


def _rows(model: BaseModel, X: Any) -> NDArray[np.float64]:
    """The rows to compare on: those handed in, or those the model kept of its train rows."""
    if X is None:
        kept: NDArray[Any] | None = model.sample_rows
        if kept is None:
            raise ParameterError(
                "the exported model is compared with this one on real rows, and this one, which was loaded from a file,"
                " has kept none of its own: pass some as X=",
                code="onnx.no_rows",
            )
        return kept.astype(np.float64)
    found: NDArray[Any] = model._features(X)
    return found.astype(np.float64)


def _takes_nan(model: Any) -> bool:
    return bool(model._takes_nan()) if hasattr(model, "_takes_nan") else True


def _add_model(graph: OnnxGraph, model: Any) -> None:
    kinds = {base.__name__ for base in type(model).__mro__}
    if "BoostingModel" in kinds:
        _add_booster(graph, model)
    elif "SklearnModel" in kinds:
        _add_sklearn(graph, model)
    elif "TorchModel" in kinds:
        from tradewright.serialization.onnx_torch import add_module

        _end(graph, model, add_module(graph, model), "sigmoid" if model.task == "classification" else "identity")
    else:
        raise UnsupportedError(
            f"a {type(model).__name__} has no ONNX form: only SklearnModel, BoostingModel and TorchModel do",
            code="onnx.unsupported",
        )


def _add_booster(graph: OnnxGraph, model: Any) -> None:
    from tradewright.serialization.onnx_boosters import read_booster

    ensemble = read_booster(model._library(), model.booster_, model.n_rounds_)
    scores = add_scores(graph, INPUT, ensemble)
    if model.loss is not None:  # boosting began at its start, and its scores are logits
        scores = graph.add("Add", scores, graph.constant(np.float64(model._start)))
        _end(graph, model, scores, "sigmoid" if model.task == "classification" else "identity")
    else:
        _end(graph, model, scores, ensemble.link, ensemble)


def _add_sklearn(graph: OnnxGraph, model: Any) -> None:
    from tradewright.serialization.onnx_sklearn import add_estimator, add_first_steps, read_trees

    X, estimator = add_first_steps(graph, model.estimator_, INPUT)
    ensemble = read_trees(estimator)
    if ensemble is not None:
        scores = add_scores(graph, X, ensemble)
        if model.task == "regression":
            scores = _in_units(graph, model, scores)
        _end(graph, model, scores, ensemble.link)
        return
    has_proba = hasattr(model, "predict_proba")
    outputs = add_estimator(graph, estimator, X, probabilities=has_proba)
    if model.task == "regression":
        graph.regression(_in_units(graph, model, graph.cast(outputs[0], np.float64)))
        return
    probabilities = graph.cast(outputs[1], np.float64) if has_proba else None
    graph.classification(probabilities, model.classes, label=outputs[0])


def _in_units(graph: OnnxGraph, model: Any, scores: str) -> str:
    """Bring the predictions of labels of mean 0 and deviation 1 back into their units."""
    if not model.scale_target:
        return scores
    scaled = graph.add("Mul", scores, graph.constant(np.float64(model._scale)))
    return graph.add("Add", scaled, graph.constant(np.float64(model._shift)))


def _end(graph: OnnxGraph, model: Any, scores: str, link: str, ensemble: Ensemble | None = None) -> None:
    """End a graph in what the model predicts, from the sums it makes; shape (n_rows, n_outputs)."""
    if link == "sigmoid" and ensemble is not None and ensemble.slope != 1.0:
        scores = graph.add("Mul", scores, graph.constant(np.float64(ensemble.slope)))
    if link == "exp":
        scores = graph.add("Exp", scores)
    if model.task == "regression":
        graph.regression(graph.add("Sigmoid", scores) if link == "sigmoid" else scores)
        return
    classes = model.classes
    if len(classes) > 2 or link in ("softmax", "ova"):
        if link == "softmax":
            scores = graph.add("Softmax", scores, axis=1)
        elif link == "ova":
            each = graph.add("Sigmoid", scores)
            total = graph.add("ReduceSum", each, graph.constant(np.array([1])), keepdims=1)
            scores = graph.add("Div", each, total)
        graph.classification(scores, classes)
        return
    second = scores if link == "probability" else graph.add("Sigmoid", scores)
    both = graph.add("Concat", graph.add("Sub", graph.constant(np.float64(1.0)), second), second, axis=1)
    graph.classification(both, classes)
