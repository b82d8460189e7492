"""Torch models as ONNX: scaling and missing values in float64, then the module."""

from __future__ import annotations

import copy
import logging
import warnings
from typing import Any

import numpy as np
import torch

from tradewright import _optional
from tradewright.errors import UnsupportedError
from tradewright.serialization.onnx_graph import INPUT, OnnxGraph

__all__ = ["add_module"]


def add_module(graph: OnnxGraph, model: Any) -> str:
    """Add a TorchModel up to the scores of its module, in the units of the labels; return their name, shape (n_rows, 1).

    Raises
    ------
    UnsupportedError
        For modules that read windows, and for those torch cannot export.
    """
    if model.reads_history:
        raise UnsupportedError(
            "a sequence model reads the earlier rows of each asset, which ONNX Runtime is not handed: save it with"
            " format='auto', and serve it with tradewright",
            code="onnx.sequence",
        )
    _optional.require("onnxscript", "the ONNX export of torch modules")
    scaler = model.scaler_
    missing = graph.add("IsNaN", INPUT)
    scaled = graph.add("Div", graph.add("Sub", INPUT, graph.constant(scaler.mean)), graph.constant(scaler.scale))
    inputs = graph.cast(graph.add("Where", missing, graph.constant(np.float64(0.0)), scaled), np.float32)
    if len(scaler.indicated):
        shown = graph.add("Gather", graph.cast(missing, np.float32), graph.constant(scaler.indicated), axis=1)
        inputs = graph.add("Concat", inputs, shown, axis=1)
    (scores,) = graph.embed(_export(model.module_, scaler.n_outputs), inputs)
    labels = model._labels
    scores = graph.add("Mul", graph.cast(scores, np.float64), graph.constant(np.float64(labels.scale)))
    return graph.add("Add", scores, graph.constant(np.float64(labels.shift)))


def _export(module: torch.nn.Module, n_inputs: int) -> Any:
    module = copy.deepcopy(module).to("cpu").eval()
    example = torch.zeros(3, n_inputs)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own coming changes
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                opset_version=18,
                verbose=False,
            )
    except Exception as error:  # whatever an exporter raises
        reason = str(error).strip().split("\n")[0][:200]
        raise UnsupportedError(
            f"torch cannot export this {type(module).__name__} to ONNX ({type(error).__name__}: {reason}): save the model"
            " with format='auto', and serve it with tradewright",
            code="onnx.unsupported",
        ) from error
    finally:
        logger.setLevel(level)
    return program.model_proto  # type: ignore[union-attr]  # of the dynamo exporter
