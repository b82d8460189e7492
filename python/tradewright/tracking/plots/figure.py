"""What all plots share: figures without pyplot, text that is no formula, files that are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _optional
from tradewright.errors import DataError
from tradewright.tracking.quiet import quiet

__all__ = ["amount", "bins_of", "new_figure", "nothing_to_draw", "plain", "save"]

NAME_LENGTH = 36


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **shared: Any) -> tuple[Any, Any]:
    """Return a figure and its axes, shape (rows, columns).

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    figure = _optional.require("matplotlib.figure", "plots").Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def save(figure: Any, path: Path) -> Path:
    """Write the PNG and return its path."""
    with quiet():  # a font without one of the signs of a name
        figure.savefig(path, dpi=120)
    return path


def nothing_to_draw(why: str, name: str) -> DataError:
    """Build the error of a plot that would show nothing."""
    return DataError(why, code=f"plot.{name}")


def plain(text: object, length: int = NAME_LENGTH) -> str:
    r"""Return a name as matplotlib draws it literally, shortened in its middle: the ends tell names apart.

    Examples
    --------
    >>> print(plain("ret_$5d"), plain("a_very_long_feature_name", 11))
    ret_\$5d a_ver…_name
    """
    # A line break would tear labels apart.
    name = " ".join(str(text).split())
    if len(name) > length:
        head = length // 2
        name = f"{name[:head]}…{name[len(name) - (length - head - 1) :]}"
    return name.replace("$", r"\$")


def amount(value: float) -> str:
    """Return a number with four digits that count, as titles show it.

    Examples
    --------
    >>> amount(0.25), amount(1234567.0), amount(float("nan"))
    ('0.25', '1.235e+06', '–')
    """
    return f"{value:.4g}" if np.isfinite(value) else "–"


def bins_of(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the bin of each value, of at most ``count`` bins that hold about as many values each.

    Equal values share a bin, so that few distinct values make fewer bins.
    """
    inner = np.quantile(values, np.linspace(0.0, 1.0, count + 1)[1:-1], method="higher")
    found = np.searchsorted(np.unique(inner), values, side="right")
    return np.unique(found, return_inverse=True)[1].astype(np.int64)
