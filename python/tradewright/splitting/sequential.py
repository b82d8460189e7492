"""Sequential splits: the rows in time order, cut once or twice."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tradewright.errors import ParameterError, SplitError
from tradewright.splitting.base import BaseSplitter
from tradewright.splitting.layout import Axis, Layout, is_duration, resolve_count
from tradewright.splitting.parameters import Closed, OnEmpty, PurgeScope, Size, check_size

__all__ = ["PurgedSplit", "SequentialSplit"]


@dataclass(frozen=True)
class SequentialSplit(BaseSplitter):
    """Train, validation and test rows that follow each other in time, purged at both cuts.

    Sizes are ints (distinct timestamps), floats (a fraction of the distinct timestamps: the floor of the exact decimal)
    or durations (``"3mo"``, ``"90d"``, ``"20b"``, ``"36h"``, a timedelta), laid from the start of the data. Where
    fractions sum to 1 the last part takes the rest; where sizes leave timestamps behind the test, these are unused. A
    timestamp is never cut in two.

    Parameters
    ----------
    train_size, val_size : size
        Train on so much, watch the next so much; ``val_size=0`` for none.
    test_size : size or None
        Test on the next so much; None for all that is left.
    embargo : size
        Train and validation rows whose label ends within so much before the test are left out.
    closed : {"both", "left"}
        Whether labels that only touch overlap.
    purge_scope : {"all", "asset"}
        Whether a row's label is held against the labels of all assets, or of its own alone.
    on_empty : {"raise", "skip", "keep"}
        What happens when no train row is left, or purging emptied the validation block.

    Examples
    --------
    >>> import numpy as np
    >>> days = np.arange("2024-01-01", "2024-01-21", dtype="datetime64[D]")
    >>> fold = SequentialSplit(0.5, 0.25, 0.25).plan(days, label_end=days + 1)[0]
    >>> print(fold.train.indices(), fold.val.indices(), fold.test.indices())
    [0 1 2 3 4 5 6 7 8] [10 11 12 13] [15 16 17 18 19]
    >>> fold.purged.indices()
    array([ 9, 14])
    """

    train_size: Size = 0.7
    val_size: Size = 0.15
    test_size: Size | None = 0.15
    embargo: Size = 0
    closed: Closed = "both"
    purge_scope: PurgeScope = "all"
    on_empty: OnEmpty = "raise"

    def __post_init__(self) -> None:
        self._check_common()
        check_size(self.train_size, "train_size", positive=True)
        if self.test_size is not None:
            check_size(self.test_size, "test_size", positive=True)
        whole = _fraction_of_all(self._sizes())
        if whole > 1:
            raise ParameterError(
                f"train_size={self.train_size!r}, val_size={self.val_size!r} and test_size={self.test_size!r} sum to "
                f"{float(whole):g}: fractions of the timestamps may sum to 1 at most",
                code="parameter.size",
                name="test_size",
            )

    def _sizes(self) -> dict[str, Any]:
        return {"train_size": self.train_size, "val_size": self.val_size, "test_size": self.test_size}

    def _layout(self, axis: Axis) -> Layout:
        cuts = [0]
        for name, size in self._sizes().items():
            cuts.append(axis.count if size is None else _advance(axis, cuts[-1], size, name))
        if _fraction_of_all(self._sizes()) == 1:
            cuts[-1] = axis.count
        _, train, val, test = cuts
        for name, length in (("train_size", train), ("test_size", test - val)):
            if length <= 0:
                raise _nothing_left(axis, name, getattr(self, name), cuts)
        return Layout.of_blocks(
            np.array([[val, test]], dtype=np.int64),
            np.array([[0, val]], dtype=np.int64),
            embargo_side="before",
            val_sizes=np.array([val - train], dtype=np.int64),
        )


@dataclass(frozen=True)
class PurgedSplit(BaseSplitter):
    """One cut: train on what precedes it, purged and embargoed, and test on all that follows.

    Sizes are those of :class:`SequentialSplit`.

    Parameters
    ----------
    train_size : size
        So much precedes the cut.
    embargo : size
        Train rows whose label ends within so much before the test are left out; so are such validation rows.
    val_size : size
        A validation block at the end of the train part, for early stopping; train is purged against it too.
    closed : {"both", "left"}
        Whether labels that only touch overlap.
    purge_scope : {"all", "asset"}
        Whether a row's label is held against the labels of all assets, or of its own alone.
    on_empty : {"raise", "skip", "keep"}
        What happens when no train row is left, or purging emptied the validation block.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning (2018), chapter 7.

    Examples
    --------
    >>> import numpy as np
    >>> days = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")
    >>> (train, test), = PurgedSplit(0.7, embargo=1).plan(days, label_end=days + 1)
    >>> print(train.indices(), test.indices())
    [0 1 2 3 4] [7 8 9]
    """

    train_size: Size = 0.7
    embargo: Size = 0
    val_size: Size = 0
    closed: Closed = "both"
    purge_scope: PurgeScope = "all"
    on_empty: OnEmpty = "raise"

    def __post_init__(self) -> None:
        self._check_common()
        check_size(self.train_size, "train_size", positive=True)

    def _layout(self, axis: Axis) -> Layout:
        cut = _advance(axis, 0, self.train_size, "train_size")
        if not 0 < cut < axis.count:
            raise _nothing_left(axis, "train_size", self.train_size, [0, cut])
        blocks = np.array([[cut, axis.count]], dtype=np.int64)
        return Layout.of_blocks(blocks, np.array([[0, cut]], dtype=np.int64), embargo_side="before")


def _fraction_of_all(sizes: dict[str, Any]) -> Fraction:
    """What fractions of the timestamps sum to, exactly; 0 where a size is something else."""
    values = [value for value in sizes.values() if value != 0]
    if not all(isinstance(value, float | np.floating) for value in values):
        return Fraction(0)
    return sum((Fraction(repr(float(value))) for value in values), Fraction(0))


def _advance(axis: Axis, start: int, size: Any, name: str) -> int:
    """The timestamp at which a part ends that starts at ``start``."""
    if not is_duration(size):
        stop = start + resolve_count(size, axis.count, name=name)
        whole = stop <= axis.count
    elif start >= axis.count:
        stop, whole = start, False
    else:
        border = axis.shift_one(axis.instant(start), size, sign=1, name=name)
        stop, whole = axis.before(border), axis.covers(border)
    if not whole:
        raise SplitError(
            f"{name}={size!r} from timestamp {start} reaches beyond the {axis.count} distinct timestamps there are: use "
            "a shorter one, or more data",
            code="split.too_short",
            name=name,
            timestamps=axis.count,
        )
    return stop


def _nothing_left(axis: Axis, name: str, size: Any, cuts: list[int]) -> SplitError:
    return SplitError(
        f"{name}={size!r} leaves a part without timestamps: the {axis.count} distinct timestamps are cut at {cuts[1:]}",
        code="split.too_short",
        name=name,
        timestamps=axis.count,
    )
