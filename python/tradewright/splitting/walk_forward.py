"""Walk-forward: train on the past, test on what comes next, move on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import ParameterError, SplitError
from tradewright.splitting.base import BaseSplitter
from tradewright.splitting.layout import Axis, Layout, Span, is_duration, resolve_count
from tradewright.splitting.parameters import Closed, OnEmpty, PurgeScope, Size, check_count, check_size

__all__ = ["WalkForward"]


@dataclass(frozen=True)
class WalkForward(BaseSplitter):
    """Tests that follow each other in time, each trained on what precedes it.

    Sizes are ints (distinct timestamps), floats (a fraction of the distinct timestamps) or durations (``"3mo"``,
    ``"90d"``, ``"20b"``, ``"36h"``, a timedelta). A timestamp is never cut in two.

    Parameters
    ----------
    n_splits : int or None
        How many tests; None for as many as the sizes allow.
    test_size : size, optional
        Length of a test; by default the timestamps divided by ``n_splits + 1``.
    train_size : size, optional
        Train on so much of what is left after purging and embargo (rolling); None trains on all of it (expanding).
    step : size, optional
        From one test's end to the next one's; by default ``test_size``, so that tests touch.
    embargo : size
        Train rows whose label ends within so much before the test are left out; so are such validation rows.
    anchor : {"end", "start"}
        Whether the last test ends with the data, or the first one starts as early as it can: behind ``train_size``
        (``test_size`` where the train set expands) and ``val_size``. ``n_splits=None`` leaves as much before the first
        test, and takes whole tests only.
    val_size : size
        A validation block just before each test, for early stopping. Train is purged against it, and it is purged
        against the test.
    closed : {"both", "left"}
        Whether labels that only touch overlap.
    purge_scope : {"all", "asset"}
        Whether a row's label is held against the labels of all assets, since a common factor carries the outcome of one
        to the others, or against those of its own asset alone. The embargo follows suit.
    on_empty : {"raise", "skip", "keep"}
        What happens to a fold without train rows, whose validation block was emptied by purging, or whose test falls
        into a gap of the data.

    References
    ----------
    Purging and embargo: López de Prado, Advances in Financial Machine Learning (2018), chapter 7.

    Examples
    --------
    >>> import numpy as np
    >>> days = np.arange("2024-01-01", "2024-01-13", dtype="datetime64[D]")
    >>> plan = WalkForward(n_splits=2, test_size=3).plan(days, label_end=days + 2)
    >>> for train, test in plan:
    ...     print(train.indices(), test.indices())
    [0 1 2 3] [6 7 8]
    [0 1 2 3 4 5 6] [ 9 10 11]
    """

    n_splits: int | None = 5
    test_size: Size | None = None
    train_size: Size | None = None
    step: Size | None = None
    embargo: Size = 0
    anchor: Literal["end", "start"] = "end"
    val_size: Size = 0
    closed: Closed = "both"
    purge_scope: PurgeScope = "all"
    on_empty: OnEmpty = "raise"

    def __post_init__(self) -> None:
        self._check_common()
        if self.anchor not in ("end", "start"):
            raise ParameterError(f"anchor={self.anchor!r}: pass 'end' or 'start'", code="parameter.anchor")
        if self.n_splits is not None:
            check_count("n_splits", self.n_splits, 1)
        elif self.test_size is None:
            raise ParameterError("n_splits=None needs a test_size to follow from: pass one", code="parameter.n_splits")
        for name in ("test_size", "train_size", "step"):
            if getattr(self, name) is not None:
                check_size(getattr(self, name), name, positive=True)

    def _fixed_n_splits(self) -> int | None:
        return self.n_splits

    def _layout(self, axis: Axis) -> Layout:
        blocks = self._blocks(axis)
        pools = np.column_stack([np.zeros(len(blocks), dtype=np.int64), blocks[:, 0]])
        return Layout.of_blocks(blocks, pools, embargo_side="before", window=self.train_size)

    def _blocks(self, axis: Axis) -> NDArray[np.int64]:
        """The test blocks, ascending; by counts in the core, by the calendar here."""
        test: Any = self.test_size
        if test is None:
            assert self.n_splits is not None
            test = axis.count // (self.n_splits + 1)
            if test == 0:
                raise self._too_short(axis)
        elif not is_duration(test):
            test = self._count(test, axis, "test_size")
        step: Any = test if self.step is None else self.step
        if not is_duration(step):
            step = self._count(step, axis, "step")
        lead = self._lead(axis, test)
        if not is_duration(test) and not is_duration(step):
            return _core.walk_forward_blocks(axis.count, self.n_splits, test, step, lead, self.anchor == "end")
        walk = (
            self._from_end(axis, test, step, lead) if self.anchor == "end" else self._from_start(axis, test, step, lead)
        )
        if not walk:
            raise self._too_short(axis)
        return np.array(walk, dtype=np.int64).reshape(-1, 2)

    @staticmethod
    def _count(value: Any, axis: Axis, name: str) -> int:
        count = resolve_count(value, axis.count, name=name)
        if count == 0:
            raise ParameterError(
                f"{name}={value!r} of {axis.count} distinct timestamps is less than one: use a larger {name}",
                code="parameter.size",
                name=name,
            )
        return count

    def _lead(self, axis: Axis, test: Any) -> int:
        """How many timestamps precede the first test, where the sizes decide."""
        cut = 0
        for name, size in (
            ("train_size", test if self.train_size is None else self.train_size),
            ("val_size", self.val_size),
        ):
            if not is_duration(size):
                cut += resolve_count(size, axis.count, name=name)
            elif cut < axis.count:
                cut = axis.before(axis.shift_one(axis.instant(cut), size, sign=1, name=name))
        return cut

    def _from_end(self, axis: Axis, test: Any, step: Any, lead: int) -> list[Span]:
        """Tests backwards from the last one, which ends with the data; a test by duration excludes its first border."""
        last, found = axis.instant(axis.count - 1), []
        for number in range(self.n_splits or axis.count):
            if is_duration(step):
                end = axis.shift_one(last, step, sign=-1, name="step", times=number) if number else last
                stop = axis.until(end)
            else:
                stop = axis.count - number * step
                end = axis.instant(stop - 1) if stop > 0 else last
            if stop <= 0:
                if self.n_splits is not None:
                    raise self._too_short(axis)
                break
            if not is_duration(test):
                start = stop - test
            elif step == test:  # windows that touch share their borders, whatever months do
                start = axis.until(axis.shift_one(last, test, sign=-1, name="test_size", times=number + 1))
            else:
                start = axis.until(axis.shift_one(end, test, sign=-1, name="test_size"))
            if self.n_splits is None and start < lead:
                break
            if start < 0:
                raise self._too_short(axis)
            found.append((start, stop))
        return found[::-1]

    def _from_start(self, axis: Axis, test: Any, step: Any, lead: int) -> list[Span]:
        """Tests forwards from the first one, which starts behind the lead; borders of durations as on a calendar."""
        if lead >= axis.count:
            return []
        first, found = axis.instant(lead), []
        for number in range(self.n_splits or axis.count):
            if is_duration(step):
                begin = axis.shift_one(first, step, sign=1, name="step", times=number) if number else first
                start = axis.before(begin)
            else:
                start = lead + number * step
                begin = axis.instant(start)
            if not is_duration(test):
                stop = start + test
                whole = stop <= axis.count
            else:
                if step == test:
                    until = axis.shift_one(first, test, sign=1, name="test_size", times=number + 1)
                else:
                    until = axis.shift_one(begin, test, sign=1, name="test_size")
                stop = axis.before(until)
                whole = start < axis.count and axis.covers(until)
            if not whole:
                if self.n_splits is not None:
                    raise self._too_short(axis)
                break
            found.append((start, stop))
        return found

    def _too_short(self, axis: Axis) -> SplitError:
        wanted = "a single test" if self.n_splits is None else f"n_splits={self.n_splits}"
        return SplitError(
            f"{axis.count} distinct timestamps are too few for {wanted} with test_size={self.test_size!r}, "
            f"step={self.step!r} and train_size={self.train_size!r}: use fewer or shorter tests, or more data",
            code="split.too_short",
            timestamps=axis.count,
        )
