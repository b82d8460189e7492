"""A slow, obvious oracle for purged splits, and the contract every splitter must hold.

The oracle compares labels pair by pair in O(n²) and shares no code with the engine, so that agreement means something.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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

    Every row of every fold has one role; the order of the rows does not matter; a larger embargo never adds train rows;
    no train label overlaps a test label; no timestamp is cut in two; ``get_n_splits`` equals what is yielded; int32 and
    int64 positions are equal; the splitter pickles, clones and makes the same plan again.

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
        time, label_end = random_panel(seed)
        try:
            plan = splitter.plan(time, label_end=label_end)
        except SplitError as error:
            raise AssertionError(f"seed {seed}: the splitter cannot split the panel: {error}") from error
        _check_folds(plan, time, label_end, splitter.closed, f"seed {seed}")
        _check_order(splitter, plan, time, label_end, seed)
        _check_embargo(splitter, time, label_end, seed)
        _check_copies(splitter, plan, time, label_end, seed)


_ROLES = ("train", "val", "test", "purged", "embargoed", "unused")


def _check_folds(plan: Any, time: NDArray[Any], label_end: NDArray[Any], closed: str, where: str) -> None:
    whole = np.arange(len(time))
    labels = list(zip(time.astype(np.int64).tolist(), label_end.astype(np.int64).tolist(), strict=True))
    for fold in plan.folds:
        place = f"{where}, fold {fold.index}"
        sets = {role: getattr(fold, role).indices() for role in _ROLES}
        together = np.sort(np.concatenate(list(sets.values())))
        assert np.array_equal(together, whole), f"{place}: the roles do not cover every row exactly once"
        for role, rows in sets.items():
            assert (np.diff(rows) > 0).all(), f"{place}: positions of {role} do not ascend"
            assert np.array_equal(rows, getattr(fold, role).indices("int32")), f"{place}: int32 differs from int64"
            assert np.array_equal(np.flatnonzero(getattr(fold, role).mask()), rows), f"{place}: the mask differs"
        for a, b in (("train", "test"), ("train", "val"), ("val", "test")):
            shared = np.intersect1d(time[sets[a]], time[sets[b]])
            assert not len(shared), f"{place}: {a} and {b} share the timestamp {shared[:1]}"
            for row in sets[a].tolist():
                for other in sets[b].tolist():
                    assert not labels_overlap(labels[row], labels[other], closed), (
                        f"{place}: the labels of {a} row {row} and {b} row {other} overlap"
                    )


def _check_order(splitter: Any, plan: Any, time: NDArray[Any], label_end: NDArray[Any], seed: int) -> None:
    shuffle = np.random.default_rng(seed + 1).permutation(len(time))
    moved = splitter.plan(time[shuffle], label_end=label_end[shuffle])
    assert len(moved) == len(plan), f"seed {seed}: the number of folds depends on the order of the rows"
    for fold, other in zip(plan.folds, moved.folds, strict=True):
        for role in _ROLES:
            here, there = getattr(fold, role).mask(), getattr(other, role).mask()
            assert np.array_equal(here[shuffle], there), (
                f"seed {seed}, fold {fold.index}: the {role} rows depend on the order of the rows"
            )


def _check_embargo(splitter: Any, time: NDArray[Any], label_end: NDArray[Any], seed: int) -> None:
    if isinstance(splitter.embargo, str | bytes) or not isinstance(splitter.embargo, int | np.integer):
        return  # only counts can be raised by one without knowing what they count
    if getattr(splitter, "train_size", None) is not None:
        return  # a rolling window moves back when rows near the test are taken out
    wider = replace(splitter, embargo=splitter.embargo + 2, on_empty="keep").plan(time, label_end=label_end)
    same = replace(splitter, on_empty="keep").plan(time, label_end=label_end)
    for fold, other in zip(same.folds, wider.folds, strict=True):
        added = np.setdiff1d(other.train.indices(), fold.train.indices())
        assert not len(added), f"seed {seed}, fold {fold.index}: a larger embargo added train rows {added[:5]}"


def _check_copies(splitter: Any, plan: Any, time: NDArray[Any], label_end: NDArray[Any], seed: int) -> None:
    from sklearn.base import clone

    yielded = list(splitter.split(np.zeros(len(time)), time=time, label_end=label_end))
    count = splitter.get_n_splits(np.zeros(len(time)), time=time, label_end=label_end)
    assert count == len(yielded) == len(plan), f"seed {seed}: get_n_splits says {count}, {len(yielded)} are yielded"
    for how, copy in (
        ("pickle", pickle.loads(pickle.dumps(splitter))),
        ("clone", clone(splitter)),
        ("dict", type(splitter).from_dict(splitter.to_dict())),
    ):
        again = copy.plan(time, label_end=label_end)
        assert again.digest == plan.digest, f"seed {seed}: the plan of a {how} differs"
    thawed = pickle.loads(pickle.dumps(plan))
    assert thawed.digest == plan.digest, f"seed {seed}: a pickled plan differs"
