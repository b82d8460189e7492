"""Walk-forward: train on the past, test on what comes next, move on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tradewright.errors import ParameterError, SplitError
from tradewright.splitting.base import BaseSplitter, Closed, OnEmpty, Size, check_n_splits, check_size
from tradewright.splitting.layout import Axis, FoldLayout, Layout, Span, is_duration, resolve_count, val_span

__all__ = ["WalkForward"]


@dataclass(frozen=True, kw_only=True)
class WalkForward(BaseSplitter):
    """Tests that follow each other in time, each trained on what precedes it.

    Sizes are ints (distinct timestamps), floats (a fraction of the distinct timestamps) or durations (``"3mo"``, ``"90d"``,
    ``"20b"``, ``"36h"``, a timedelta). A timestamp is never cut in two.

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
        Train rows whose label ends within so much before the test are left out.
    val_size : size
        A validation block just before each test, for early stopping. Train is purged against it, and it is purged against
        the test.
    anchor : {"end", "start"}
        Whether the last test ends with the data, or the first one starts as early as it can.
    closed : {"both", "left"}
        Whether labels that only touch overlap.
    on_empty : {"raise", "skip", "keep"}
        What happens to a fold without train rows.

    References
    ----------
    Purging and embargo: López de Prado, Advances in Financial Machine Learning (2018), chapter 7. Differences are listed
    in the documentation.

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
    val_size: Size = 0
    anchor: Literal["end", "start"] = "end"
    closed: Closed = "both"
    on_empty: OnEmpty = "raise"

    def __post_init__(self) -> None:
        self._check_common()
        if self.anchor not in ("end", "start"):
            raise ParameterError(f"anchor={self.anchor!r}: pass 'end' or 'start'", code="parameter.anchor")
        if self.n_splits is not None:
            check_n_splits(self.n_splits, 1)
        elif self.test_size is None:
            raise ParameterError("n_splits=None needs a test_size to follow from: pass one", code="parameter.n_splits")
        for name in ("test_size", "train_size", "step"):
            value = getattr(self, name)
            if value is None:
                continue
            check_size(value, name)
            if value == 0:
                raise ParameterError(f"{name}=0: pass at least one timestamp", code="parameter.size", name=name)

    def _layout(self, axis: Axis) -> Layout:
        tests = self._tests(axis)
        folds = []
        for test in tests:
            val = val_span(axis, (test,), self.val_size)
            if val[0] >= test[1]:  # nothing precedes the test, so nothing can train or validate
                val = (0, 0)
            folds.append(FoldLayout((test,), pool=(0, test[0]), val=val))
        return Layout(tuple(folds), embargo=self.embargo, embargo_side="before", window=self.train_size)

    def _tests(self, axis: Axis) -> list[Span]:
        """The test blocks, ascending."""
        total = axis.count
        size = self.test_size if self.test_size is not None else total // ((self.n_splits or 0) + 1)
        if not is_duration(size):
            size = resolve_count(size, total, name="test_size")
            if size == 0:
                raise self._too_short(total)
        step = size if self.step is None else self.step
        if not is_duration(step):
            step = max(resolve_count(step, total, name="step"), 1)
        least = 1 if self.train_size is None or is_duration(self.train_size) else 0
        if not least:
            least = max(resolve_count(self.train_size, total, name="train_size"), 1)
        blocks = self._from_end(axis, size, step) if self.anchor == "end" else self._from_start(axis, size, step, least)
        found: list[Span] = []
        for block in blocks:
            wanted = self.n_splits is not None and len(found) == self.n_splits
            if wanted or block[0] < (least if self.n_splits is None else 1) or block[1] > total:
                break
            if block[0] < block[1]:  # a calendar window without rows is no test
                found.append(block)
        if not found or (self.n_splits is not None and len(found) < self.n_splits):
            raise self._too_short(total, len(found))
        return sorted(found)

    def _from_end(self, axis: Axis, size: Size, step: Size):  # type: ignore[no-untyped-def]
        """Tests backwards from the last one, which ends with the data."""
        total, number = axis.count, 0
        last = axis.instant(total - 1)
        stop = total
        while stop > 0:
            start = stop - size if not is_duration(size) else self._back(axis, last, stop, step, size, number)
            yield (max(int(start), 0) if stop > start else stop, stop)
            number += 1
            if not is_duration(step):
                stop = total - number * step
            else:
                stop = axis.until(axis.shift(last, step, sign=-1, name="step", times=number))

    def _back(self, axis: Axis, last: int, stop: int, step: Size, size: Size, number: int) -> int:
        """The first timestamp of a test that ends with timestamp ``stop - 1`` and lasts a duration."""
        if is_duration(step):
            end = axis.shift(last, step, sign=-1, name="step", times=number) if number else last
            if step == size:  # windows that touch share their borders, whatever months do
                return axis.until(axis.shift(last, size, sign=-1, name="test_size", times=number + 1))
        else:
            end = axis.instant(stop - 1)
        return axis.until(axis.shift(end, size, sign=-1, name="test_size"))

    def _from_start(self, axis: Axis, size: Size, step: Size, least: int):  # type: ignore[no-untyped-def]
        """Tests forwards from the first one, which leaves the least train rows before it."""
        if self.train_size is not None and is_duration(self.train_size):
            start = axis.before(axis.shift(axis.instant(0), self.train_size, sign=1, name="train_size"))
        elif self.train_size is None and not is_duration(size):
            start = int(size)
        else:
            start = least if self.train_size is not None else axis.count // ((self.n_splits or 1) + 1)
        if start >= axis.count:
            return
        first, number = axis.instant(start), 0
        final = axis.instant(axis.count - 1)
        while start < axis.count:
            if is_duration(size):
                begin = axis.instant(start) if not is_duration(step) else self._ahead(axis, first, step, number)
                end = axis.shift(begin, size, sign=1, name="test_size")
                # a window that reaches behind the last timestamp is not whole
                stop = axis.before(end) if end <= final + 1 else axis.count + 1
            else:
                stop = start + int(size)
            yield (start, stop)
            number += 1
            if is_duration(step):
                start = axis.before(self._ahead(axis, first, step, number))
            else:
                start += int(step)

    @staticmethod
    def _ahead(axis: Axis, first: int, step: Size, number: int) -> int:
        return axis.shift(first, step, sign=1, name="step", times=number) if number else first

    def _too_short(self, total: int, found: int = 0) -> SplitError:
        wanted = "at least one test" if self.n_splits is None else f"n_splits={self.n_splits}"
        return SplitError(
            f"{total} distinct timestamps are too few for {wanted} with test_size={self.test_size!r}, "
            f"step={self.step!r} and train_size={self.train_size!r}: {found} fit. Use fewer or shorter tests, or more data",
            code="split.too_short",
            timestamps=total,
            found=found,
        )
