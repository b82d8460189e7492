"""A slow, obvious oracle for purged splits, and the contract every splitter must hold.

The oracle compares labels pair by pair in O(n²) and shares no code with the engine, so that agreement means something.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import SplitError

__all__ = ["OracleFold", "check_splitter", "labels_overlap", "oracle_roles", "random_panel"]

Label = tuple[int, int]


def labels_overlap(a: Label, b: Label, closed: str = "both") -> bool:
    """Whether two labels [time, label_end] overlap.

    With ``closed="left"`` intervals are half-open, but a label of no length is the instant it stands at, which overlaps
    every label that holds it.

    Examples
    --------
    >>> labels_overlap((1, 3), (3, 5)), labels_overlap((1, 3), (3, 5), "left"), labels_overlap((1, 3), (1, 1), "left")
    (True, False, True)
    """
    if closed == "both":
        return a[0] <= b[1] and b[0] <= a[1]
    if a[0] == a[1] and b[0] == b[1]:
        return False  # two instants; one at the same time would share a timestamp, which is never cut
    if a[0] == a[1]:
        return b[0] <= a[0] < b[1]
    if b[0] == b[1]:
        return a[0] <= b[0] < a[1]
    return a[0] < b[1] and b[0] < a[1]


@dataclass(frozen=True)
class OracleFold:
    """One fold before purging, by times instead of positions.

    Parameters
    ----------
    tests : sequence of (first time, last time)
        The test blocks, both ends included.
    val : (first time, last time) or None
        The validation block.
    pool : (first time, last time) or None
        What may train.
    train_timestamps : int or None
        Train on the last so many distinct timestamps of what is left.
    """

    tests: Sequence[Label]
    val: Label | None = None
    pool: Label | None = None
    train_timestamps: int | None = None


def oracle_roles(
    time: Sequence[int],
    label_end: Sequence[int] | None,
    fold: OracleFold,
    *,
    embargo: int = 0,
    embargo_is_duration: bool = False,
    side: str = "after",
    closed: str = "both",
    asset: Sequence[int] | None = None,
) -> list[str]:
    """Compute the role of every row from first principles.

    Parameters
    ----------
    time, label_end : sequence of int
        In any order; without label ends a label ends at its time.
    fold : OracleFold
        The blocks.
    embargo : int
        Distinct timestamps, or (``embargo_is_duration``) units of time.
    side : {"after", "before"}
        Whether the embargo follows test blocks, or precedes them.
    closed : {"both", "left"}
        See :func:`labels_overlap`.
    asset : sequence of int, optional
        Purge and embargo within assets: a row is compared with the labels of its own asset alone, and the embargo is
        measured from the asset's own first time and latest label end in a block. Counts stay timestamps of all data.

    Returns
    -------
    list of str
        A role per row, in the caller's order.
    """
    labels = [(int(t), int(e)) for t, e in zip(time, time if label_end is None else label_end, strict=True)]
    whose = [0] * len(labels) if asset is None else [int(code) for code in asset]
    distinct = sorted({label[0] for label in labels})

    def inside(label: Label, block: Label | None) -> bool:
        return block is not None and block[0] <= label[0] <= block[1]

    def near(label: Label, block: Label, own: int) -> bool:
        members = [other for other, code in zip(labels, whose, strict=True) if inside(other, block) and code == own]
        if embargo == 0 or not members:
            return False
        if side == "after":
            last = max(end for _, end in members)
            if embargo_is_duration:
                reach = last + embargo
            else:
                later = [instant for instant in distinct if instant > last]
                reach = later[embargo - 1] if embargo <= len(later) else distinct[-1]
            return label[0] > block[1] and label[0] <= reach
        first = min(start for start, _ in members)
        if embargo_is_duration:
            since = first - embargo
        else:
            earlier = [instant for instant in distinct if instant < first]
            since = earlier[-embargo] if embargo <= len(earlier) else min(distinct)
        return label[0] < first and label[1] >= since

    def among(others: list[tuple[Label, int]], label: Label, own: int) -> bool:
        return any(code == own and labels_overlap(label, other, closed) for other, code in others)

    rows = list(zip(labels, whose, strict=True))
    tested = [row for row in rows if any(inside(row[0], block) for block in fold.tests)]
    watched = [row for row in rows if inside(row[0], fold.val) and row not in tested]
    roles = []
    for label, own in rows:
        if any(inside(label, block) for block in fold.tests):
            roles.append("test")
        elif not inside(label, fold.val) and fold.pool is not None and not inside(label, fold.pool):
            roles.append("unused")
        elif among(tested, label, own) or (not inside(label, fold.val) and among(watched, label, own)):
            roles.append("purged")
        elif any(near(label, block, own) for block in fold.tests):
            roles.append("embargoed")
        else:
            roles.append("val" if inside(label, fold.val) else "train")
    if fold.train_timestamps is not None:
        left = sorted({label[0] for label, role in zip(labels, roles, strict=True) if role == "train"})
        kept = set(left[-fold.train_timestamps :])
        roles = [
            "unused" if role == "train" and label[0] not in kept else role
            for label, role in zip(labels, roles, strict=True)
        ]
    return roles


def random_panel(seed: int, *, rows: int = 120, assets: int = 3) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return times and label ends of a ragged panel in random order.

    Several assets share dates, some dates miss, label ends are not monotone and some labels have no length.

    Returns
    -------
    time, label_end : ndarray of datetime64[D], shape (rows,)
    """
    rng = np.random.default_rng(seed)
    dates = np.cumsum(rng.integers(1, 4, size=max(rows // assets, 12)))
    time = rng.choice(dates, size=rows)
    length = np.where(rng.random(rows) < 0.2, 0, rng.integers(0, 9, size=rows))
    start = np.datetime64("2020-01-01", "D")
    return start + time, start + time + length


def check_splitter(splitter: Any, seeds: Iterable[int] = range(5)) -> None:
    """Check that a splitter keeps the contract on random panels.

    Every row of every fold has one role; the order of the rows does not matter, nor the unit of times (days, 100 ns
    ticks, bar numbers where no size is a duration, label ends in another unit); a larger embargo never adds train rows;
    no train label overlaps a test label (of its asset, where ``purge_scope="asset"``); no timestamp is cut in two;
    ``get_n_splits`` equals what is yielded; int32 and int64 positions are equal; the splitter pickles, clones and makes
    the same plan again.

    Parameters
    ----------
    splitter : BaseSplitter
        The splitter, configured so that it splits 40 distinct timestamps.
    seeds : iterable of int
        One random panel per seed.

    Raises
    ------
    AssertionError
        Naming the rule and the seed.

    Examples
    --------
    >>> from tradewright.splitting import PurgedKFold
    >>> check_splitter(PurgedKFold(n_splits=3, embargo=1), seeds=[0])
    """
    for seed in seeds:
        case = _Case.random(splitter, seed)
        try:
            plan = case.plan(splitter)
        except SplitError as error:
            raise AssertionError(f"seed {seed}: the splitter cannot split the panel: {error}") from error
        _check_folds(plan, case)
        _check_order(splitter, plan, case)
        _check_units(splitter, plan, case)
        _check_embargo(splitter, case)
        _check_copies(splitter, plan, case)


_ROLES = ("train", "val", "test", "purged", "embargoed", "unused")


@dataclass(frozen=True)
class _Case:
    """One random panel; its assets are known where the splitter asks for them."""

    seed: int
    time: NDArray[Any]
    label_end: NDArray[Any]
    asset: NDArray[np.int64] | None
    closed: str

    @classmethod
    def random(cls, splitter: Any, seed: int) -> _Case:
        time, label_end = random_panel(seed)
        by_asset = getattr(splitter, "purge_scope", "all") == "asset"
        asset = np.random.default_rng(seed + 2).integers(0, 3, len(time)) if by_asset else None
        return cls(seed, time, label_end, asset, splitter.closed)

    def plan(self, splitter: Any) -> Any:
        known = {} if self.asset is None else {"asset": self.asset}
        return splitter.plan(self.time, label_end=self.label_end, **known)

    def in_order(self, rows: NDArray[np.int64]) -> _Case:
        asset = None if self.asset is None else self.asset[rows]
        return replace(self, time=self.time[rows], label_end=self.label_end[rows], asset=asset)


def _check_folds(plan: Any, case: _Case) -> None:
    whole = np.arange(len(case.time))
    labels = list(zip(case.time.astype(np.int64).tolist(), case.label_end.astype(np.int64).tolist(), strict=True))
    kin = np.zeros(len(whole), dtype=np.int64) if case.asset is None else case.asset
    for fold in plan.folds:
        place = f"seed {case.seed}, fold {fold.index}"
        sets = {role: getattr(fold, role).indices() for role in _ROLES}
        together = np.sort(np.concatenate(list(sets.values())))
        assert np.array_equal(together, whole), f"{place}: the roles do not cover every row exactly once"
        for role, rows in sets.items():
            assert (np.diff(rows) > 0).all(), f"{place}: positions of {role} do not ascend"
            assert np.array_equal(rows, getattr(fold, role).indices("int32")), f"{place}: int32 differs from int64"
            assert np.array_equal(np.flatnonzero(getattr(fold, role).mask()), rows), f"{place}: the mask differs"
        for a, b in (("train", "test"), ("train", "val"), ("val", "test")):
            shared = np.intersect1d(case.time[sets[a]], case.time[sets[b]])
            assert not len(shared), f"{place}: {a} and {b} share the timestamp {shared[:1]}"
            for row in sets[a].tolist():
                for other in sets[b].tolist():
                    assert kin[row] != kin[other] or not labels_overlap(labels[row], labels[other], case.closed), (
                        f"{place}: the labels of {a} row {row} and {b} row {other} overlap"
                    )


def _check_order(splitter: Any, plan: Any, case: _Case) -> None:
    shuffle = np.random.default_rng(case.seed + 1).permutation(len(case.time))
    moved = case.in_order(shuffle).plan(splitter)
    assert len(moved) == len(plan), f"seed {case.seed}: the number of folds depends on the order of the rows"
    for fold, other in zip(plan.folds, moved.folds, strict=True):
        for role in _ROLES:
            here, there = getattr(fold, role).mask(), getattr(other, role).mask()
            assert np.array_equal(here[shuffle], there), (
                f"seed {case.seed}, fold {fold.index}: the {role} rows depend on the order of the rows"
            )


def _check_units(splitter: Any, plan: Any, case: _Case) -> None:
    """Finer units and label ends in another one change nothing; nor do ticks and bars where sizes are numbers."""
    time, end = case.time, case.label_end
    forms = {"microseconds": (time.astype("M8[us]"), end.astype("M8[us]")), "mixed units": (time, end.astype("M8[ns]"))}
    if not any(isinstance(value, str | timedelta | np.timedelta64) for value in _sizes(splitter)):
        day, until = time.astype(np.int64), end.astype(np.int64)
        start = np.int64(1_700_000_000 * 10**9)
        ticks = tuple((start + days * 100).view("M8[ns]") for days in (day, until))  # one second, were they floats
        forms |= {"bar numbers": (day, until), "100 ns ticks": (ticks[0], ticks[1])}
    for form, (times, ends) in forms.items():
        other = replace(case, time=times, label_end=ends).plan(splitter)
        same = np.array_equal(other.table.segments, plan.table.segments)
        assert same, f"seed {case.seed}: times as {form} give another plan"


def _sizes(splitter: Any) -> list[Any]:
    """The parameters that may be durations; words are none."""
    words = ("closed", "purge_scope", "on_empty", "anchor")
    return [value for name, value in splitter.get_params().items() if name not in words]


def _check_embargo(splitter: Any, case: _Case) -> None:
    if isinstance(splitter.embargo, str | bytes) or not isinstance(splitter.embargo, int | np.integer):
        return  # only counts can be raised by one without knowing what they count
    if hasattr(splitter, "anchor") and splitter.train_size is not None:
        return  # a rolling window moves back when rows near the test are taken out
    wider = case.plan(replace(splitter, embargo=splitter.embargo + 2, on_empty="keep"))
    same = case.plan(replace(splitter, on_empty="keep"))
    for fold, other in zip(same.folds, wider.folds, strict=True):
        added = np.setdiff1d(other.train.indices(), fold.train.indices())
        assert not len(added), f"seed {case.seed}, fold {fold.index}: a larger embargo added train rows {added[:5]}"


def _check_copies(splitter: Any, plan: Any, case: _Case) -> None:
    from sklearn.base import clone

    routed = {"time": case.time, "label_end": case.label_end, "groups": case.asset}
    yielded = list(splitter.split(np.zeros(len(case.time)), **routed))
    count = splitter.get_n_splits(np.zeros(len(case.time)), **routed)
    assert count == len(yielded) == len(plan), (
        f"seed {case.seed}: get_n_splits says {count}, {len(yielded)} are yielded"
    )
    for how, copy in (
        ("pickle", pickle.loads(pickle.dumps(splitter))),
        ("clone", clone(splitter)),
        ("dict", type(splitter).from_dict(splitter.to_dict())),
    ):
        assert case.plan(copy).digest == plan.digest, f"seed {case.seed}: the plan of a {how} differs"
    thawed = pickle.loads(pickle.dumps(plan))
    assert thawed.digest == plan.digest, f"seed {case.seed}: a pickled plan differs"
