"""Parameters of modules, refused in words where they make no sense."""

from __future__ import annotations

import numpy as np

from tradewright.errors import ParameterError

__all__ = ["check_counts", "check_dropout"]


def check_counts(module: str, **counts: object) -> None:
    """Raise for a count that is not a whole number of at least 1."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ParameterError(f"{name}={value!r}: pass a whole number, at least 1", code=f"{module}.{name}")


def check_dropout(module: str, dropout: float) -> None:
    """Raise for a share of dropped units outside of [0, 1)."""
    if not 0.0 <= dropout < 1.0:
        raise ParameterError(f"dropout={dropout}: pass a share in [0, 1)", code=f"{module}.dropout")
