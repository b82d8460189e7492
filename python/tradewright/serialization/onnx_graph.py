"""An ONNX graph in the making: nodes and constants by name, and the ends every exported model has.

Every exported model has one input, ``X``: float64, shape (n_rows, n_features), so that no value is rounded on its way in.
A regressor has one output, ``prediction`` (float64, n_rows); a classifier has ``label`` (n_rows) and ``probabilities``
(float64, n_rows × n_classes, in the order of the classes), or ``label`` alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

__all__ = ["INPUT", "LABEL", "PREDICTION", "PROBABILITIES", "OnnxGraph"]

INPUT, PREDICTION, LABEL, PROBABILITIES = "X", "prediction", "label", "probabilities"
#: Operator sets: the first with all types of the operators used here, and the one of float64 trees.
_OPSETS = {"": 18, "ai.onnx.ml": 5}
#: What ONNX Runtime 1.20 reads; onnx itself would write its newest.
_IR_VERSION = 10


class OnnxGraph:
    """Collects nodes; values are known by their names."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._opsets = dict(_OPSETS)
        self._functions: list[Any] = []
        self._count = 0

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    def constant(self, values: Any) -> str:
        """Add a constant; text becomes strings."""
        array = np.asarray(values)
        if array.dtype.kind == "U":
            array = array.astype(object)
        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", output: str | None = None, **attributes: Any) -> str:
        """Add an operator of one output; return the name of that."""
        output = output or self._name(operator.lower())
        self._nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def cast(self, value: str, dtype: Any) -> str:
        """Convert to another dtype."""
        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def embed(self, model: onnx.ModelProto, value: str) -> list[str]:
        """Add a whole model of one input, fed by ``value``; return the names of its outputs."""
        prefixed = compose.add_prefix(model, f"{self._name('part')}_")
        graph = prefixed.graph
        (given,) = [entry.name for entry in graph.input]
        for node in graph.node:
            node.input[:] = [value if name == given else name for name in node.input]
        self._nodes.extend(graph.node)
        self._constants.extend(graph.initializer)
        self._functions.extend(prefixed.functions)
        for entry in prefixed.opset_import:
            self._opsets[entry.domain] = entry.version
        return [value if entry.name == given else entry.name for entry in graph.output]

    def regression(self, value: str) -> None:
        """End in numbers: ``value`` has one per row."""
        flat = self.add("Reshape", self.cast(value, np.float64), self.constant(np.array([-1])))
        self.add("Identity", flat, output=PREDICTION)
        self._outputs.append(helper.make_tensor_value_info(PREDICTION, TensorProto.DOUBLE, ["n_rows"]))

    def classification(self, probabilities: str | None, classes: tuple[Any, ...], label: str | None = None) -> None:
        """End in labels, and in probabilities where there are some; the likeliest class is the label of a row."""
        known = _label_array(classes)
        if label is None:
            assert probabilities is not None
            place = self.add("ArgMax", probabilities, axis=1, keepdims=0)
            self.add("Gather", self.constant(known), place, output=LABEL)
        else:
            kept = label if known.dtype.kind == "U" else self.cast(label, known.dtype)
            self.add("Reshape", kept, self.constant(np.array([-1])), output=LABEL)
        kind = TensorProto.STRING if known.dtype.kind == "U" else helper.np_dtype_to_tensor_dtype(known.dtype)
        self._outputs.append(helper.make_tensor_value_info(LABEL, kind, ["n_rows"]))
        if probabilities is not None:
            self.add("Identity", probabilities, output=PROBABILITIES)
            shape: list[str | int | None] = ["n_rows", len(classes)]
            self._outputs.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.DOUBLE, shape))

    def model(self, n_features: int, facts: dict[str, str]) -> onnx.ModelProto:
        """Return the finished model, checked by onnx, with ``facts`` among its metadata."""
        shown = helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["n_rows", n_features])
        graph = helper.make_graph(self._nodes, "tradewright", [shown], self._outputs, self._constants)
        used = {node.domain for node in self._nodes} | {node.domain for f in self._functions for node in f.node} | {""}
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(name, self._opsets.get(name, 1)) for name in sorted(used)],
            functions=self._functions,
            producer_name="tradewright",
            ir_version=_IR_VERSION,
        )
        helper.set_model_props(model, facts)
        onnx.checker.check_model(model, full_check=True)
        return model


def _label_array(classes: tuple[Any, ...]) -> NDArray[Any]:
    known = np.asarray(classes)
    return known.astype(np.int64) if known.dtype.kind in "iu" else known
