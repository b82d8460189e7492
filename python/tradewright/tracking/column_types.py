"""MLflow's names for the types of columns."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["column_type"]

#: MLflow has no unsigned types; for 64 bits of them a double is the nearest.
_TYPES = {
    "bool": "boolean",
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "integer"),
    **dict.fromkeys(("int64", "uint32"), "long"),
    **dict.fromkeys(("float16", "float32"), "float"),
    **dict.fromkeys(("float64", "uint64"), "double"),
}


def column_type(dtype: str | np.dtype[Any]) -> str:
    """Return MLflow's type of a column. Its checks let narrower numbers of the same kind pass, and no wider ones.

    Examples
    --------
    >>> column_type("float32"), column_type(np.dtype("datetime64[ns]")), column_type("object")
    ('float', 'datetime', 'string')
    """
    name = str(dtype)
    return "datetime" if name.startswith("datetime64") else _TYPES.get(name, "string")
