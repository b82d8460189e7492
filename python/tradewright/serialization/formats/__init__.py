"""The formats a model can be saved in, one module each."""

from __future__ import annotations

from tradewright.serialization.formats.base import Format
from tradewright.serialization.formats.native import Native
from tradewright.serialization.formats.pickle_format import PickleFormat

__all__ = ["FORMATS", "Format", "Native", "PickleFormat"]

#: Format by the name users give it.
FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (Native(), PickleFormat())}
