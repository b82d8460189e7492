"""What other people's splitters leak: each fold held against the times and label ends of a panel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import DataError, LeakageError, ParameterError
from tradewright.panel import Panel
from tradewright.splitting.base import BaseSplitter
from tradewright.splitting.intervals import Labels, overlaps_any, within_embargo
from tradewright.splitting.layout import Axis
from tradewright.splitting.parameters import Closed, PurgeScope, Size, check_one_of, check_size
from tradewright.splitting.plan import SplitPlan

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FoldAudit", "SplitAudit", "audit_splits"]


@dataclass(frozen=True, slots=True)
class FoldAudit:
    """What is wrong with one fold; counts of rows, but for timestamps.

    Parameters
    ----------
    fold : int
        The number of the fold.
    train, test : int
        Rows that are trained and tested on.
    shared_rows : int
        Rows that stand on both sides.
    shared_timestamps : int
        Timestamps that stand on both sides.
    overlapping : int
        Train rows whose label overlaps a test row's.
    embargoed : int
        Further train rows within the embargo.
    train_after_test : int
        Train rows later than the first test row: none in a walk forward, many in a k-fold. No leak by itself.
    first_leak : int
        The first train row that shares, overlaps or breaks the embargo; -1 where none does.
    """

    fold: int
    train: int
    test: int
    shared_rows: int
    shared_timestamps: int
    overlapping: int
    embargoed: int
    train_after_test: int
    first_leak: int

    @property
    def passed(self) -> bool:
        """Whether nothing leaks."""
        return self.first_leak < 0 and not self.shared_timestamps


@dataclass(frozen=True, slots=True)
class SplitAudit:
    """What :func:`audit_splits` found.

    Parameters
    ----------
    splitter : str
        The splitter as it describes itself.
    folds : tuple of FoldAudit
        One per fold.
    has_label_ends : bool
        Whether it was known when labels end; without, an overlap is a shared timestamp.
    embargo : size
        The embargo that was asked for.
    """

    splitter: str
    folds: tuple[FoldAudit, ...]
    has_label_ends: bool
    embargo: Size

    @property
    def passed(self) -> bool:
        """Whether no fold leaks."""
        return all(fold.passed for fold in self.folds)

    def raise_if(self) -> None:
        """Raise LeakageError when a fold leaks; it names the first one and what to do."""
        leaky = [fold for fold in self.folds if not fold.passed]
        if leaky:
            first = leaky[0]
            raise LeakageError(
                f"{len(leaky)} of {len(self.folds)} folds leak; fold {first.fold}: {first.overlapping:,} train rows have "
                f"a label that overlaps the test, {first.shared_timestamps:,} timestamps and {first.shared_rows:,} rows "
                f"stand on both sides, {first.embargoed:,} train rows are within the embargo. Split with WalkForward or "
                "PurgedKFold",
                code="split.audit",
                fold=first.fold,
                row=first.first_leak,
            )

    def to_frame(self) -> pl.DataFrame:
        """Return one row per fold, as polars."""
        import polars as pl

        return pl.DataFrame(
            [asdict(fold) for fold in self.folds], schema={item.name: pl.Int64 for item in fields(FoldAudit)}
        )

    def __str__(self) -> str:
        leaky = sum(not fold.passed for fold in self.folds)
        verdict = f"{leaky} of {len(self.folds)} folds leak" if leaky else "no leak found"
        names = [item.name for item in fields(FoldAudit)]
        table = [[name.replace("_", " ") for name in names]]
        table += [[f"{getattr(fold, name):,}" for name in names] for fold in self.folds]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [f"Audit of {self.splitter}: {verdict}"]
        lines += ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        if not self.has_label_ends:
            lines.append("no label ends known: labels may overlap unseen; give the panel label_end= or horizon=")
        return "\n".join(lines)


def audit_splits(
    cv: Any,
    panel: Panel,
    *,
    X: Any = None,
    groups: Any = None,
    embargo: Size = 0,
    closed: Closed = "both",
    purge_scope: PurgeScope = "all",
) -> SplitAudit:
    """Hold the folds of any scikit-learn splitter against the times and label ends of a panel.

    Parameters
    ----------
    cv : splitter, SplitPlan, or iterable of (train, test)
        Anything with ``split(X, y, groups)``, or the positions themselves.
    panel : Panel
        The rows that are split, in the order in which the splitter is to see them.
    X : array-like, shape (n_rows, …), optional
        What ``cv.split`` gets as X; by default a column of zeros, since most splitters only count rows. Pass the frame
        the splitter needs where it reads an index.
    groups : array-like, shape (n_rows,), optional
        What it gets as groups, where it asks for them: ``panel.asset``, say.
    embargo : size
        The embargo to ask for: beyond the latest label end of each block of tested timestamps; before its first time
        where train rows precede the test in every fold, as in a walk forward.
    closed : {"both", "left"}
        Whether labels that only touch overlap.
    purge_scope : {"all", "asset"}
        Whether labels are held against those of all assets, or of their own alone.

    Returns
    -------
    SplitAudit
        Every train label is compared with every test label (not with a hull), so that scattered tests are judged
        fairly. ``print`` it, or ``raise_if()``.

    Raises
    ------
    DataError
        When the splitter hands out positions that are no rows of the panel, or nothing at all.
    ParameterError
        For ``purge_scope="asset"`` on a panel without assets.

    Notes
    -----
    O(n log n) a fold.

    Examples
    --------
    >>> from sklearn.model_selection import KFold
    >>> from tradewright import PurgedKFold, audit_splits, datasets
    >>> panel = datasets.sp500_panel(horizon=5)
    >>> audit_splits(KFold(5, shuffle=True, random_state=0), panel).passed
    False
    >>> audit_splits(PurgedKFold(5, embargo=5), panel, embargo=5).passed
    True
    """
    check_one_of("closed", closed, ("both", "left"))
    check_one_of("purge_scope", purge_scope, ("all", "asset"))
    check_size(embargo, "embargo")
    if purge_scope == "asset" and panel.asset is None:
        raise ParameterError("purge_scope='asset' needs a panel with assets", code="parameter.purge_scope")
    axis = Axis.read(panel)
    labels = Labels.of(panel, by_asset=purge_scope == "asset")
    found = []
    for number, (train, test) in enumerate(_pairs(cv, panel, X, groups)):
        trained = _positions(train, len(panel), "train", number)
        tested = _positions(test, len(panel), "test", number)
        found.append(_audit(number, trained, tested, labels, axis, embargo, closed))
    if not found:
        raise DataError("the splitter yields no folds: there is nothing to audit", code="split.audit")
    # A k-fold's last test has train rows on one side only, and is a k-fold's fold all the same.
    walks = all(before is not None for _, before in found)
    folds = tuple(before if walks and before is not None else after for after, before in found)
    return SplitAudit(_described(cv), folds, panel.label_end is not None, embargo)


def _audit(
    number: int,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    labels: Labels,
    axis: Axis,
    embargo: Size,
    closed: Closed,
) -> tuple[FoldAudit, FoldAudit | None]:
    """The fold under an embargo after its test blocks, and, where train only precedes the test, before them."""
    trained, tested = labels.take(train), labels.take(test)
    both = np.isin(train, test)
    overlapping = overlaps_any(trained, tested, closed=closed)
    shared = len(np.intersect1d(trained.time, tested.time))
    later = int((trained.time > tested.time.min()).sum()) if len(test) else 0

    def told(side: Literal["after", "before"]) -> FoldAudit:
        near = within_embargo(trained, tested, axis, embargo, side=side) & ~overlapping & ~both
        leaks = train[both | overlapping | near]
        return FoldAudit(
            fold=number,
            train=len(train),
            test=len(test),
            shared_rows=int(both.sum()),
            shared_timestamps=shared,
            overlapping=int((overlapping & ~both).sum()),
            embargoed=int(near.sum()),
            train_after_test=later,
            first_leak=int(leaks.min()) if len(leaks) else -1,
        )

    return told("after"), None if later else told("before")


def _pairs(cv: Any, panel: Panel, X: Any, groups: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(cv, SplitPlan):
        return cv.split(panel.time)
    if isinstance(cv, BaseSplitter):
        return cv.split(panel)
    if hasattr(cv, "split"):
        data = np.zeros((len(panel), 1)) if X is None else X
        return iter(cv.split(data, panel.y, groups))
    if isinstance(cv, Iterable):
        return iter(cv)
    raise DataError(
        f"a {type(cv).__name__} does not split: pass a scikit-learn splitter, a SplitPlan, or (train, test) pairs",
        code="split.audit",
    )


def _positions(rows: Any, total: int, name: str, fold: int) -> NDArray[np.int64]:
    """Positions of a side, each once; masks are turned into positions."""
    found = np.asarray(rows)
    if found.dtype == np.bool_ and found.shape == (total,):
        found = np.flatnonzero(found)
    if found.ndim != 1 or (found.dtype.kind not in "iu" and found.size):
        raise DataError(
            f"fold {fold}: {name} is of dtype {found.dtype} and shape {found.shape}, not positions of rows",
            code="split.audit",
            fold=fold,
        )
    if found.size and (found.min() < 0 or found.max() >= total):
        raise DataError(
            f"fold {fold}: {name} has positions from {found.min()} to {found.max()}, the panel has rows 0 to {total - 1}",
            code="split.audit",
            fold=fold,
        )
    return np.unique(found.astype(np.int64))


def _described(cv: Any) -> str:
    if isinstance(cv, SplitPlan):
        return f"a plan by {cv.splitter.get('splitter', '?')}"
    described = repr(cv) if hasattr(cv, "split") else "given positions"
    return described if len(described) <= 100 else type(cv).__name__
