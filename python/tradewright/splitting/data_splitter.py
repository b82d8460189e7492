"""The plain face of splitting: a frame in, frames out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar, final

from tradewright.errors import ColumnNotFoundError, DataError, SplitError
from tradewright.panel import Panel
from tradewright.panel.ingest import did_you_mean
from tradewright.splitting.base import BaseSplitter
from tradewright.splitting.parameters import Size
from tradewright.splitting.plan import SplitPlan
from tradewright.splitting.sequential import PurgedSplit, SequentialSplit
from tradewright.splitting.walk_forward import WalkForward

__all__ = ["DataSplitter"]

Frame = TypeVar("Frame")


@final
class DataSplitter:
    """Splits of a frame into frames, by static methods; for more, make a plan with a splitter.

    All of them take a pandas, polars or pyarrow frame whose rows may come in any order and whose timestamps may repeat
    (many assets), and return frames of the same kind with their rows in the same order. A timestamp is never cut in two.

    The times are a pandas ``DatetimeIndex``, or the column (of pandas also the level of the index) called ``time``.
    ``label_end`` names the column that says when each label is known: rows whose label reaches into what follows are
    purged. ``asset`` names the column of asset ids: with it, a (time, asset) pair that comes twice is refused.
    """

    @staticmethod
    def split_sequential(
        data: Frame,
        train_size: Size = 0.7,
        val_size: Size = 0.15,
        test_size: Size | None = 0.15,
        *,
        time: str | None = None,
        label_end: str | None = None,
        asset: str | None = None,
        embargo: Size = 0,
    ) -> tuple[Frame, Frame, Frame]:
        """Cut a frame into train, validation and test rows that follow each other in time.

        Parameters
        ----------
        data : pandas, polars or pyarrow frame
            See the class.
        train_size, val_size, test_size : size
            As in :class:`SequentialSplit`: counts of distinct timestamps, fractions of them, or durations.
        time, label_end, asset : str, optional
            Columns; see the class.
        embargo : size
            Rows whose label ends within so much before the test are left out.

        Returns
        -------
        train, val, test : frames of the kind of ``data``
            Views where the rows are sorted by time, else copies.

        Raises
        ------
        SplitError
            When the times are not named, or the frame is too short for the sizes.
        DataError
            For missing times or label ends, labels that end before their row, repeated (time, asset) pairs.

        Examples
        --------
        >>> import polars as pl
        >>> frame = pl.DataFrame({"day": range(20), "close": range(20)})
        >>> [len(part) for part in DataSplitter.split_sequential(frame, time="day")]
        [14, 3, 3]
        """
        splitter = SequentialSplit(train_size, val_size, test_size, embargo)
        (fold,) = _plan(splitter, data, time, label_end, asset).folds
        return fold.train.take(data), fold.val.take(data), fold.test.take(data)

    @staticmethod
    def split_walk_forward(
        data: Frame,
        n_splits: int = 5,
        test_size: Size | None = None,
        *,
        time: str | None = None,
        label_end: str | None = None,
        asset: str | None = None,
        embargo: Size = 0,
    ) -> list[tuple[Frame, Frame]]:
        """Cut a frame into tests that follow each other, each with all that precedes it to train on.

        Parameters
        ----------
        data : pandas, polars or pyarrow frame
            See the class.
        n_splits, test_size : int, size
            As in :class:`WalkForward`; by default the timestamps divided by ``n_splits + 1``.
        time, label_end, asset : str, optional
            Columns; see the class.
        embargo : size
            Rows whose label ends within so much before the test are left out.

        Returns
        -------
        list of (train, test)
            Frames of the kind of ``data``.

        Raises
        ------
        SplitError, DataError
            As :meth:`split_sequential`.

        Examples
        --------
        >>> import polars as pl
        >>> frame = pl.DataFrame({"day": range(20), "close": range(20)})
        >>> [(len(train), len(test)) for train, test in DataSplitter.split_walk_forward(frame, 3, time="day")]
        [(5, 5), (10, 5), (15, 5)]
        """
        plan = _plan(WalkForward(n_splits, test_size, embargo=embargo), data, time, label_end, asset)
        return [(train.take(data), test.take(data)) for train, test in plan]

    @staticmethod
    def split_purged(
        data: Frame,
        train_size: Size = 0.7,
        embargo_td: Size = timedelta(days=1),
        *,
        time: str | None = None,
        label_end: str | None = None,
        asset: str | None = None,
    ) -> tuple[Frame, Frame]:
        """Cut a frame once, and leave out the train rows whose labels reach the test or come too near to it.

        Parameters
        ----------
        data : pandas, polars or pyarrow frame
            See the class.
        train_size : size
            As in :class:`PurgedSplit`.
        embargo_td : timedelta or size
            Train rows whose label (without ``label_end``: whose time) ends within so much before the test are left out.
        time, label_end, asset : str, optional
            Columns; see the class.

        Returns
        -------
        train, test : frames of the kind of ``data``

        Raises
        ------
        SplitError, DataError
            As :meth:`split_sequential`.

        Examples
        --------
        >>> import polars as pl, datetime as dt
        >>> days = [dt.date(2024, 1, day) for day in range(1, 11)]
        >>> frame = pl.DataFrame({"day": days, "close": range(10)})
        >>> [part["day"].max().isoformat() for part in DataSplitter.split_purged(frame, time="day")]
        ['2024-01-06', '2024-01-10']
        """
        plan = _plan(PurgedSplit(train_size, embargo_td), data, time, label_end, asset)
        ((train, test),) = plan
        return train.take(data), test.take(data)


def _plan(splitter: BaseSplitter, data: Any, time: str | None, label_end: str | None, asset: str | None) -> SplitPlan:
    """The plan of a frame's own columns."""
    names = {"time": time, "label_end": label_end, "asset": asset}
    panel = Panel.from_frame(
        _narrow(data, names),
        target=None,
        time=time or "index",
        asset=asset,
        label_end=label_end,
        features=[],
        allow_duplicate_keys=asset is None,
    )
    return splitter.plan(panel)


def _narrow(data: Any, names: dict[str, str | None]) -> Any:
    """The columns that splitting reads, with a pandas index among them."""
    if not hasattr(type(data), "columns") or hasattr(data, "collect"):
        hint = "call .collect() first" if hasattr(data, "collect") else "or make a plan for arrays"
        raise DataError(
            f"a {type(data).__name__} is not a frame: pass a pandas, polars or pyarrow frame, {hint}",
            code="data.not_a_frame",
        )
    wanted = [name for name in names.values() if name is not None]
    index = getattr(data, "index", None)
    if index is None:
        if names["time"] is None:
            raise SplitError(
                f"which column is the time? Pass time=, one of {', '.join(map(repr, _columns(data)[:12]))}",
                code="split.no_time",
            )
        _refuse_unknown(names, _columns(data))
        return data.select(wanted)
    import pandas as pd

    levels = [name for name in index.names if name is not None]
    _refuse_unknown(names, [*data.columns, *levels])
    columns = {name: index.get_level_values(name) if name not in data.columns else data[name] for name in wanted}
    if names["time"] is None:
        if not isinstance(index, pd.DatetimeIndex):
            raise SplitError(
                "which column is the time? Pass time=, a column or a level of the index, or a frame with a "
                "DatetimeIndex",
                code="split.no_time",
            )
        columns["index"] = index
    return pd.DataFrame({name: column.array for name, column in columns.items()}, copy=False)


def _columns(data: Any) -> list[str]:
    names = getattr(data, "column_names", None)  # pyarrow's columns are arrays
    return list(data.columns if names is None else names)


def _refuse_unknown(names: dict[str, str | None], known: list[str]) -> None:
    for role, name in names.items():
        if name is not None and name not in known:
            raise ColumnNotFoundError(
                f"{role}={name!r} is not a column of the frame; {did_you_mean(name, map(str, known))}",
                code="data.column_not_found",
                column=name,
                role=role,
            )
