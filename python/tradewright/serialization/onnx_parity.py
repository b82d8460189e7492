"""How far an exported model is from the model it was made of, measured on rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.base import BaseModel
from tradewright.errors import DataError

__all__ = ["OnnxParity", "lossy_features", "measure"]

#: Rows with one value blanked, which show whether NaN takes the same way.
_MAX_BLANKED = 512
#: Values of a feature that are compared with each other; among more, some would meet in float32 by chance.
_COMPARED = 10_000


@dataclass(frozen=True, slots=True)
class OnnxParity:
    """What was compared, and how far apart it was.

    Parameters
    ----------
    n_rows : int
        Real rows that both predicted; for models that take NaN, each feature was blanked once on top.
    max_abs_error : float
        The largest difference: of predictions in their own units, of probabilities for a classifier that has some.
    max_rel_error : float
        The same in standard deviations of the predictions; of probabilities, as it is.
    label_flips : int
        Rows whose label differs.
    clear_flips : int
        Those among them whose two likeliest classes are further apart than the tolerance: not ties.
    lossy_features : tuple of str
        Features that float32 has no room for: see :func:`lossy_features`. The exported file takes float64: hand it that.
    tolerance : float
        The largest relative error that was allowed.
    mismatch_allowed : bool
        Whether the file was written although the errors are larger.
    """

    n_rows: int
    max_abs_error: float
    max_rel_error: float
    label_flips: int
    clear_flips: int
    lossy_features: tuple[str, ...]
    tolerance: float
    mismatch_allowed: bool = False

    @property
    def holds(self) -> bool:
        """Whether the errors are within the tolerance, and no label differs but on a tie."""
        return self.max_rel_error <= self.tolerance and self.clear_flips == 0

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return asdict(self) | {"lossy_features": list(self.lossy_features)}

    @classmethod
    def from_dict(cls, values: Any) -> OnnxParity:
        """Build from :meth:`to_dict`."""
        return cls(**{**values, "lossy_features": tuple(values["lossy_features"])})


def measure(
    model: BaseModel, served: BaseModel, X: NDArray[np.float64], *, tolerance: float, allowed: bool
) -> OnnxParity:
    """Compare two models on rows, float64, of shape (n_rows, n_features)."""
    blanked = _blanked(model, X)
    pairs = [(part, *_outputs(model, served, part)) for part in (X, blanked) if part is not None]
    numbers = [(wanted, found) for _, wanted, found in pairs if wanted.dtype.kind == "f" and _is_numeric(model)]
    worst = max((_distance(wanted, found) for wanted, found in numbers), default=0.0)
    scale = 1.0
    if numbers and model.task == "regression":
        wanted = numbers[0][0]
        scale = float(np.std(wanted)) or float(np.max(np.abs(wanted))) or 1.0
    flips = clear = 0
    if model.task == "classification":
        for part, wanted, _ in pairs:
            labels, told = model.predict(part), served.predict(part)
            differ = labels != told
            flips += int(differ.sum())
            if _is_numeric(model):
                top = np.sort(wanted, axis=1)
                differ &= top[:, -1] - top[:, -2] > tolerance
            clear += int(differ.sum())
    return OnnxParity(
        n_rows=len(X),
        max_abs_error=worst,
        max_rel_error=worst / scale,
        label_flips=flips,
        clear_flips=clear,
        lossy_features=lossy_features(X, model.metadata.feature_names),
        tolerance=tolerance,
        mismatch_allowed=allowed,
    )


def lossy_features(X: NDArray[np.float64], names: Sequence[str]) -> tuple[str, ...]:
    """Return the features that float32 has no room for.

    Their values leave its range, or move by more than a ten-thousandth of their standard deviation, or more than one in a
    hundred of the first 10,000 becomes its neighbour.

    Examples
    --------
    >>> seconds = 1.7e9 + np.arange(3.0)
    >>> lossy_features(np.column_stack([seconds, seconds - seconds[0]]), ["epoch_seconds", "since_start"])
    ('epoch_seconds',)
    """
    lossy = []
    for name, column in zip(names, X.T, strict=True):
        values = column[np.isfinite(column)]
        spread = float(np.std(values)) if len(values) else 0.0
        if spread <= 1e-12 * np.max(np.abs(values), initial=0.0):  # constant, but for rounding
            continue
        with np.errstate(over="ignore", under="ignore"):
            rounded = values.astype(np.float32)
        if not np.isfinite(rounded).all():
            lossy.append(name)
            continue
        moved = np.max(np.abs(values - rounded), initial=0.0)
        # Neighbours in float64 that differ by its own rounding are one value.
        gaps = np.diff(np.sort(values[:_COMPARED]))
        distinct, left = int((gaps > 1e-12 * spread).sum()), len(np.unique(rounded[:_COMPARED])) - 1
        if distinct - left > 0.01 * distinct or moved > 1e-4 * spread:
            lossy.append(name)
    return tuple(lossy)


def _is_numeric(model: BaseModel) -> bool:
    return model.task == "regression" or hasattr(model, "predict_proba")


def _outputs(model: BaseModel, served: BaseModel, X: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    return np.asarray(getattr(model, method)(X)), np.asarray(getattr(served, method)(X))


def _distance(wanted: NDArray[Any], found: NDArray[Any]) -> float:
    if wanted.shape != found.shape or (np.isnan(wanted) != np.isnan(found)).any():
        return float("inf")
    return float(np.max(np.abs(wanted - found), initial=0.0, where=~np.isnan(wanted)))


def _blanked(model: BaseModel, X: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return rows of which each lacks one feature; None for models that take no NaN."""
    n_features = X.shape[1]
    rows = np.resize(np.arange(len(X)), min(n_features, _MAX_BLANKED))
    blanked = X[rows]
    blanked[np.arange(len(rows)), np.arange(len(rows)) % n_features] = np.nan
    try:
        model.predict(blanked)
    except DataError:
        return None
    return blanked
