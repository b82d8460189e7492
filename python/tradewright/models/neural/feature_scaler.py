"""Features brought to one scale and missing values filled, with statistics of the train rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.base.history import History
from tradewright.errors import DataError

__all__ = ["FeatureScaler"]

#: A block of float64 and what is computed from it stay in the cache.
_BLOCK_VALUES = 1 << 17


@dataclass(frozen=True, eq=False)
class FeatureScaler:
    """Maps features to (x − mean) / scale in float32; NaN becomes 0, which is the mean.

    The arithmetic is float64, so that large values (epoch seconds, notionals) keep their digits until they are small.
    Fitted on float32 features, mean and scale are float32 values where those are near enough, and float32 features are
    then scaled in float32: their difference from a float32 mean has lost nothing that they had. Columns that are
    constant, or missing throughout, become 0.

    Parameters
    ----------
    mean, scale : ndarray of float64, shape (n_features,)
        Mean and standard deviation (ddof 0) of the values that are not NaN.
    indicated : ndarray of int64, shape (k,)
        Columns that get a further column: 1 where the value is NaN, else 0.

    Examples
    --------
    >>> scaler = FeatureScaler.fit(np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]]))
    >>> scaler.transform(np.array([[3.0, 5.0], [np.nan, 5.0]])).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    indicated: NDArray[np.int64]

    @classmethod
    def fit(cls, X: NDArray[Any] | History, *, missing_indicator: bool = False) -> FeatureScaler:
        """Measure the columns of ``X``; two passes in blocks, no copy of the whole.

        Raises
        ------
        DataError
            When a value is infinite.
        """
        n_features = X.shape[1]
        count = np.zeros(n_features)
        total = np.zeros(n_features)
        single = False
        for start, block in _blocks(X):
            _refuse_infinite(X, block, start)
            single = block.dtype == np.float32
            missing = np.isnan(block)
            count += (~missing).sum(axis=0)
            total += np.where(missing, 0.0, block).sum(axis=0, dtype=np.float64)
        seen = np.maximum(count, 1.0)
        mean = total / seen
        deviations = np.zeros(n_features)
        squares = np.zeros(n_features)
        for _, block in _blocks(X):
            deviation = np.where(np.isnan(block), 0.0, block - mean)
            deviations += deviation.sum(axis=0)
            squares += (deviation**2).sum(axis=0)
        # The corrected two-pass formula: what rounding left in the mean is in the deviations.
        shift = deviations / seen
        mean += shift
        scale = np.sqrt(np.maximum(squares / seen - shift**2, 0.0))
        # What rounding leaves of a constant column is noise, which dividing would blow up.
        scale[scale <= 10 * np.finfo(np.float64).eps * np.abs(mean) * np.sqrt(seen)] = 1.0
        scale[scale == 0.0] = 1.0
        # A float32 mean may be off by a part of the scale; a column of few neighbouring values keeps the float64 one.
        if (
            single
            and (np.abs(_single(mean) - mean) < 1e-3 * scale).all()
            and (scale >= np.finfo(np.float32).tiny).all()
        ):
            mean, scale = _single(mean), _single(scale)
        indicated = np.flatnonzero(count < X.shape[0]) if missing_indicator else np.empty(0)
        return cls(mean, scale, indicated.astype(np.int64))

    @property
    def n_outputs(self) -> int:
        """The number of columns of the result."""
        return len(self.mean) + len(self.indicated)

    @cached_property
    def is_single(self) -> bool:
        """Whether mean and scale are float32 values, so that float32 features are scaled in float32."""
        return bool((_single(self.mean) == self.mean).all() and (_single(self.scale) == self.scale).all())

    def look(self, X: NDArray[Any] | History) -> bool:
        """Look at features that are scaled later, part by part; return whether any is missing.

        Raises
        ------
        DataError
            When a value is infinite.
        """
        found = False
        for start, block in _blocks(X):
            _refuse_infinite(X, block, start)
            found = found or bool(np.isnan(block).any())
        return found

    def transform(self, X: NDArray[Any] | History) -> NDArray[np.float32]:
        """Return the scaled features, shape (n_rows, n_outputs), a new array.

        Raises
        ------
        DataError
            When a value is infinite.
        """
        n_features = len(self.mean)
        out = np.empty((X.shape[0], self.n_outputs), dtype=np.float32)
        for start, block in _blocks(X):
            _refuse_infinite(X, block, start)
            dtype: Any = np.float32 if block.dtype == np.float32 and self.is_single else np.float64
            mean, scale = self.mean.astype(dtype), self.scale.astype(dtype)
            missing = np.isnan(block)
            with np.errstate(over="ignore"):
                scaled = (block.astype(dtype, copy=False) - mean) / scale
                scaled[missing] = 0.0
                out[start : start + len(block), :n_features] = scaled
            out[start : start + len(block), n_features:] = missing[:, self.indicated]
        return out


def _single(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest float32 values."""
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float32).astype(np.float64)


def _blocks(X: NDArray[Any] | History) -> Iterator[tuple[int, NDArray[Any]]]:
    step = max(1, _BLOCK_VALUES // max(1, X.shape[1]))
    for start in range(0, X.shape[0], step):
        yield start, X[start : start + step]


def _refuse_infinite(X: NDArray[Any] | History, block: NDArray[Any], start: int) -> None:
    infinite = np.isinf(block)
    if infinite.any():
        place, column = (int(found[0]) for found in np.nonzero(infinite))
        row = int(X.rows[start + place]) if isinstance(X, History) else start + place
        raise DataError(
            f"row {row}, feature {column}: the value is infinite; replace it by NaN, which models fill, or clip it",
            code="data.infinite",
            row=row,
            column=column,
        )
