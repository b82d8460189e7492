"""The formats a model can be saved in, one module each."""

from __future__ import annotations

from tradewright.serialization.formats.base import Format, Loading, Saving
from tradewright.serialization.formats.joblib_format import JoblibFormat
from tradewright.serialization.formats.native import Native
from tradewright.serialization.formats.onnx_format import OnnxFormat
from tradewright.serialization.formats.pickle_format import PickleFormat
from tradewright.serialization.formats.torch_formats import TorchExport, TorchScript

__all__ = ["FORMATS", "Format", "Loading", "Saving"]

#: Format by the name users give it, in the order in which bare files are told apart.
FORMATS: dict[str, Format] = {
    format_.name: format_
    for format_ in (Native(), JoblibFormat(), PickleFormat(), OnnxFormat(), TorchScript(), TorchExport())
}
