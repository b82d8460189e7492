"""Where the splitters of other libraries differ in what they leave in: each difference is shown by running it.

Run ``python benches/python/peer_differences.py`` in the environment of ``requirements.txt``. It prints the table of
docs/splitting.md, one column a library, with the versions found. Each check is a few rows of data and one number that is
counted from what the library handed out, pair of rows by pair of rows: nothing is taken from documentation.

A leak is a train row whose label shares time with a test row's. Labels that only touch are not counted, so that
libraries with half-open labels are judged by their own rule.
"""

# ruff: noqa: ARG001 (every library is called alike)
from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Pairs = list[tuple[np.ndarray, np.ndarray]]
DAY = np.timedelta64(86_400 * 10**9, "ns")
START = np.datetime64("2024-01-01", "ns")
#: What a library says when a check asks for something it does not have.
ABSENT = "–"


def days(count: int) -> np.ndarray:
    return START + np.arange(count) * DAY


# --- how each library is called -------------------------------------------------------------------------------------


def last_rows(time: np.ndarray, end: np.ndarray, by_row: np.ndarray | None) -> np.ndarray:
    """The last row that each label covers, for libraries that count rows."""
    return np.searchsorted(time, end, side="right") - 1 if by_row is None else by_row


def purgedcv(time: np.ndarray, end: np.ndarray, folds: int, embargo: np.timedelta64, *_: Any) -> Pairs:
    import pandas as pd
    from purgedcv import PurgedKFold

    splitter = PurgedKFold(folds, prediction_times=time, evaluation_times=end, embargo=pd.Timedelta(embargo))
    return list(splitter.split(np.zeros((len(time), 1))))


def purgedcv_rows(time: np.ndarray, end: np.ndarray, folds: int, embargo: np.timedelta64, rows: int, *_: Any) -> Pairs:
    from purgedcv import PurgedKFold

    splitter = PurgedKFold(folds, prediction_times=time, evaluation_times=end, embargo_observations=rows)
    return list(splitter.split(np.zeros((len(time), 1))))


def pymlfinance(
    time: np.ndarray, end: np.ndarray, folds: int, embargo: np.timedelta64, rows: int, by_row: Any = None
) -> Pairs:
    from pymlfinance.modeling import PurgedKFold

    last = last_rows(time, end, by_row).tolist()
    events = list(zip(range(len(time)), last, strict=True))
    return [
        (np.asarray(fold.train, int), np.asarray(fold.test, int))
        for fold in PurgedKFold(folds, rows / len(time)).split(events, len(time))
    ]


def timeseriescv(
    time: np.ndarray, end: np.ndarray, folds: int, embargo: np.timedelta64, *_: Any, tested: int = 1
) -> Pairs:
    import pandas as pd
    from timeseriescv.cross_validation import CombPurgedKFoldCV

    splitter = CombPurgedKFoldCV(folds, tested, pd.Timedelta(embargo))
    rows = pd.DataFrame({"x": np.zeros(len(time))})
    return list(splitter.split(rows, pred_times=pd.Series(time), eval_times=pd.Series(end)))


def holdout(time: np.ndarray, end: np.ndarray, folds: int, embargo: np.timedelta64, rows: int, *_: Any) -> Pairs:
    from holdout import splits

    start, stop = (values.astype("i8").astype(float) for values in (time, end))
    return [(s.train, s.test) for s in splits.purged_kfold(folds, start=start, end=stop, embargo=rows)]


def object_mlfinpy(time: np.ndarray, end: np.ndarray, folds: int = 4, rows: int = 0) -> Any:
    import pandas as pd

    # The package imports numba and statsmodels for its other chapters; this file of it needs neither.
    found = importlib.util.find_spec("mlfinpy")
    assert found is not None
    assert found.submodule_search_locations is not None
    path = Path(found.submodule_search_locations[0]) / "cross_validation" / "cross_validation.py"
    spec = importlib.util.spec_from_file_location("mlfinpy_cross_validation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    info = pd.Series(end, index=pd.DatetimeIndex(time))
    # An epsilon, since it takes the floor of rows times the fraction.
    return module.PurgedKFold(folds, info, pct_embargo=(rows + 1e-9) / len(time))


def mlfinpy(time: np.ndarray, end: np.ndarray, folds: int, embargo: np.timedelta64, rows: int, *_: Any) -> Pairs:
    splitter = object_mlfinpy(time, end, folds, rows)
    return [(np.asarray(train, int), test) for train, test in splitter.split(np.zeros((len(time), 1)))]


def tradewright(time: np.ndarray, end: np.ndarray, folds: int, embargo: np.timedelta64, *_: Any) -> Pairs:
    from tradewright import PurgedKFold

    plan = PurgedKFold(folds, embargo=embargo, on_empty="keep").plan(time, label_end=end)
    return list(plan.split())


def combined_purgedcv(time: np.ndarray, end: np.ndarray, embargo: np.timedelta64, rows: int) -> Pairs:
    import pandas as pd
    from purgedcv import CombinatorialPurgedCV

    times = {"prediction_times": time, "evaluation_times": end}
    splitter = CombinatorialPurgedCV(5, 2, embargo=pd.Timedelta(embargo), **times)
    return list(splitter.split(np.zeros((len(time), 1))))


def combined_timeseriescv(time: np.ndarray, end: np.ndarray, embargo: np.timedelta64, rows: int) -> Pairs:
    return timeseriescv(time, end, 5, embargo, tested=2)


def combined_skfolio(time: np.ndarray, end: np.ndarray, embargo: np.timedelta64, rows: int) -> Pairs:
    from skfolio.model_selection import CombinatorialPurgedCV

    horizon = int((end - time).max() // (time[1] - time[0])) if time[1] != time[0] else 0
    splitter = CombinatorialPurgedCV(5, 2, purged_size=horizon, embargo_size=rows)
    return [(train, np.concatenate(tests)) for train, tests in splitter.split(np.zeros((len(time), 1)))]


def combined_holdout(time: np.ndarray, end: np.ndarray, embargo: np.timedelta64, rows: int) -> Pairs:
    from holdout import splits

    start, stop = (values.astype("i8").astype(float) for values in (time, end))
    made = splits.combinatorial_purged_cv(5, 2, start=start, end=stop, embargo=rows)
    return [(s.train, s.test) for s in made.splits]


def combined_tradewright(time: np.ndarray, end: np.ndarray, embargo: np.timedelta64, rows: int) -> Pairs:
    from tradewright import CombinatorialPurgedCV

    return list(CombinatorialPurgedCV(5, 2, embargo=embargo, on_empty="keep").plan(time, label_end=end).split())


def object_tradewright(time: np.ndarray, end: np.ndarray) -> Any:
    from tradewright import PurgedKFold

    return PurgedKFold(4)


def object_purgedcv(time: np.ndarray, end: np.ndarray) -> Any:
    from purgedcv import PurgedKFold

    return PurgedKFold(4, prediction_times=time, evaluation_times=end)


def object_pymlfinance(time: np.ndarray, end: np.ndarray) -> Any:
    from pymlfinance.modeling import PurgedKFold

    return PurgedKFold(4)


def object_timeseriescv(time: np.ndarray, end: np.ndarray) -> Any:
    from timeseriescv.cross_validation import CombPurgedKFoldCV

    return CombPurgedKFoldCV(4, 1)


def object_holdout(time: np.ndarray, end: np.ndarray) -> Any:
    from holdout import splits

    made = splits.purged_kfold(4, start=time.astype("i8"), end=end.astype("i8"))
    return [(split.train, split.test) for split in made]


def object_skfolio(time: np.ndarray, end: np.ndarray) -> Any:
    from skfolio.model_selection import CombinatorialPurgedCV

    return CombinatorialPurgedCV(4, 2, purged_size=3)


@dataclass(frozen=True)
class Peer:
    """A library: its k-fold, its combinatorial splits, and a splitter object for what scikit-learn asks of one."""

    package: str
    kfold: Callable[..., Pairs] | None = None
    combined: Callable[..., Pairs] | None = None
    splitter: Callable[[np.ndarray, np.ndarray], Any] | None = None
    #: Its k-fold with the embargo it counts in rows, where it has another.
    in_rows: Callable[..., Pairs] | None = None


PEERS = (
    Peer("tradewright", tradewright, combined_tradewright, object_tradewright),
    Peer("purgedcv", purgedcv, combined_purgedcv, object_purgedcv, purgedcv_rows),
    Peer("pymlfinance", pymlfinance, None, object_pymlfinance),
    Peer("timeseriescv", timeseriescv, combined_timeseriescv, object_timeseriescv),
    Peer("holdout-backtest", holdout, combined_holdout, object_holdout),
    Peer("mlfinpy", mlfinpy, None, object_mlfinpy),
    Peer("skfolio", None, combined_skfolio, object_skfolio),
)


# --- what is counted ------------------------------------------------------------------------------------------------


def leaks(pairs: Pairs, time: np.ndarray, end: np.ndarray) -> int:
    """Train rows, over all folds, whose label shares time with a test row's; an instant inside a label shares it."""
    found = 0
    for train, test in pairs:
        a, b = (time[train][:, None], end[train][:, None]), (time[test][None], end[test][None])
        inside = ((a[0] == a[1]) & (b[0] <= a[0]) & (a[0] < b[1])) | ((b[0] == b[1]) & (a[0] <= b[0]) & (b[0] < a[1]))
        instants = (a[0] == a[1]) & (b[0] == b[1]) & (a[0] == b[0])
        found += int((((a[0] < b[1]) & (b[0] < a[1])) | inside | instants).any(axis=1).sum())
    return found


def per_split(count: int, what: str = "leaks") -> str:
    return "right" if count == 0 else f"{count} {what}"


def fixed(peer: Peer) -> str:
    """Labels of 3 days, 40 days, 4 folds."""
    time = days(40)
    end = time + 3 * DAY
    return per_split(leaks(_kfold(peer, time, end), time, end))


def longest(peer: Peer) -> str:
    """As before, but row 14 has a label of 12 days: the longest of its block, and not the last."""
    time = days(40)
    end = time + 3 * DAY
    end[14] = time[14] + 12 * DAY
    return per_split(leaks(_kfold(peer, time, end), time, end))


def instants(peer: Peer) -> str:
    """Labels of 3 days before day 20, and labels that are known at once from then on."""
    time = days(40)
    end = np.where(np.arange(40) < 20, time + 3 * DAY, time)
    return per_split(leaks(_kfold(peer, time, end), time, end))


def embargo(peer: Peer) -> str:
    """Labels of 3 days, embargo of 2 days: days between the block's last label end and the next train row."""
    time = days(40)
    end = time + 3 * DAY

    def kept(kfold: Callable[..., Pairs]) -> int:
        least = min(
            int((time[train[train > test[-1]][0]] - end[test].max()) / DAY)
            for train, test in kfold(time, end, 4, 2 * DAY, 2)
            if (train > test[-1]).any()
        )
        # Train may start again after the embargo's last day.
        return max(least - 1, 0)

    return _embargoes(peer, kept)


def beyond(peer: Peer) -> str:
    """The same with an embargo of 25 days, which from the third block on runs past the data."""
    time = days(40)
    end = time + 3 * DAY
    return per_split(leaks(_kfold(peer, time, end, 25), time, end))


def between(peer: Peer) -> str:
    """Groups 1 and 3 of 5 are tested; labels of 1 day, embargo of 1 day: train rows left in group 2 (of 8)."""
    return _middle(peer, {1, 3}, range(16, 24), {5, 6})


def touching(peer: Peer) -> str:
    """Groups 1 and 2 of 5 are tested, which touch: train rows left outside (of 24)."""
    return _middle(peer, {1, 2}, [*range(8), *range(24, 40)], {20, 21, 22})


def _middle(peer: Peer, tested: set[int], rows: Any, allowed: set[int]) -> str:
    if peer.combined is None:
        return ABSENT
    time = days(40)
    end = time + DAY
    for train, test in peer.combined(time, end, DAY, 1):
        if {int(row) // 8 for row in test} == tested:
            kept = len(set(train.tolist()) & set(rows))
            return "right" if kept in allowed else f"{kept} of {len(rows)} left"
    return "no such split"


def cut(peer: Peer) -> str:
    """14 days of 3 assets, sorted by time, labels known at once: timestamps on both sides of a split."""
    time = np.repeat(days(14), 3)[:41]
    pairs = _any(peer, time, time.copy())
    if isinstance(pairs, str):
        return pairs
    both = [set(time[train].tolist()) & set(time[test].tolist()) for train, test in pairs]
    return per_split(sum(map(len, both)), "timestamps cut")


def asset_major(peer: Peer) -> str:
    """20 days of 2 assets, one asset after the other, labels of 3 days (of 3 rows for those that count rows)."""
    time = np.tile(days(20), 2)
    end = time + 3 * DAY
    by_row = np.minimum(np.arange(40) + 3, np.repeat([19, 39], 20))
    pairs = _any(peer, time, end, by_row)
    return pairs if isinstance(pairs, str) else per_split(leaks(pairs, time, end))


def panel_embargo(peer: Peer) -> str:
    """An embargo of 2 on a panel of 10 assets, labels known at once: days of it that are left out."""
    time = np.repeat(days(40), 10)

    def kept(kfold: Callable[..., Pairs]) -> int:
        pairs = kfold(time, time.copy(), 4, 2 * DAY, 2)
        train, test = pairs[0] if pairs[0][1][0] == 0 else pairs[-1]
        return len(np.setdiff1d(time, time[np.concatenate([train, test])]))

    return _embargoes(peer, kept)


def _embargoes(peer: Peer, kept: Callable[[Callable[..., Pairs]], int]) -> str:
    """How many of two days an embargo keeps out; in rows as well, where a library has both."""
    if peer.kfold is None:
        return ABSENT
    found = [kept(kfold) for kfold in (peer.kfold, peer.in_rows) if kfold is not None]
    told = ["right" if count == 2 else f"{count} of 2 days" for count in found]
    return told[0] if len(told) == 1 else f"{told[0]}; in rows {told[1]}"


def ticks(peer: Peer) -> str:
    """1,000 rows 100 ns apart in 2024, labels of 5 ticks: train rows that differ from exact arithmetic."""
    tick = np.timedelta64(100, "ns")
    time = START + np.arange(1_000) * tick
    end = time + 5 * tick
    if peer.kfold is None:
        return ABSENT
    exact = peer.kfold(days(1_000), days(1_000) + 5 * DAY, 4, 0 * DAY, 0)
    found = peer.kfold(time, end, 4, 0 * tick, 0)
    wrong = sum(len(np.setxor1d(a, b)) for (a, _), (b, _) in zip(exact, found, strict=True))
    return per_split(wrong, "rows differ")


def backwards(peer: Peer) -> str:
    """Row 20's label ends 5 days before the row."""
    time = days(40)
    end = time + 3 * DAY
    end[20] = time[20] - 5 * DAY
    if peer.kfold is None:
        return ABSENT
    try:
        peer.kfold(time, end, 4, 0 * DAY, 0)
    except Exception as error:  # noqa: BLE001
        return _refusal(error, "right, refused")
    return "taken as it is"


def scored(peer: Peer) -> str:
    """``cross_val_score(model, X, y, cv=splitter)``."""
    return _in_sklearn(peer, nested=False)


def nested(peer: Peer) -> str:
    """The splitter as the inner ``cv=`` of a grid search that is scored on other folds."""
    return _in_sklearn(peer, nested=True)


def _in_sklearn(peer: Peer, *, nested: bool) -> str:
    import sklearn
    from sklearn.dummy import DummyRegressor
    from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

    time = days(40)
    end = time + 3 * DAY
    assert peer.splitter is not None
    cv = peer.splitter(time, end)
    X, y = np.zeros((40, 1)), np.arange(40.0)
    ours = peer.package == "tradewright"
    with sklearn.config_context(enable_metadata_routing=ours):
        params = {"params": {"time": time, "label_end": end}} if ours else {}
        try:
            if nested:
                search = GridSearchCV(DummyRegressor(), {"strategy": ["mean", "median"]}, cv=cv, error_score="raise")
                scores = cross_val_score(search, X, y, cv=TimeSeriesSplit(2), error_score="raise", **params)
            else:
                scores = cross_val_score(DummyRegressor(), X, y, cv=cv, error_score="raise", **params)
        except Exception as error:  # noqa: BLE001
            return f"fails ({type(error).__name__})"
    assert np.isfinite(scores).all()
    return "right"


def _kfold(peer: Peer, time: np.ndarray, end: np.ndarray, embargo: int = 0) -> Pairs:
    if peer.kfold is None:
        raise _AbsentError
    return peer.kfold(time, end, 4, embargo * DAY, embargo)


def _any(peer: Peer, time: np.ndarray, end: np.ndarray, by_row: Any = None) -> Pairs | str:
    """The k-fold, or the combinatorial splits of a library that has no other."""
    try:
        if peer.kfold is not None:
            return peer.kfold(time, end, 4, 0 * DAY, 0, by_row)
        assert peer.combined is not None
        return peer.combined(time, end, 0 * DAY, 0)
    except Exception as error:  # noqa: BLE001
        return _refusal(error)


class _AbsentError(Exception):
    """The library has no such splitter."""


def _refusal(error: Exception, word: str = "refused") -> str:
    """An error that says what is wrong is an answer, others are accidents."""
    meant = not isinstance(error, IndexError | KeyError | AttributeError) and type(error) is not TypeError
    return f"{word if meant else 'fails'} ({type(error).__name__})"


CHECKS: tuple[tuple[str, Callable[[Peer], str]], ...] = (
    ("labels of one length", fixed),
    ("the block's longest label is not its last", longest),
    ("labels of no length inside others", instants),
    ("embargo of 2 days behind labels of 3", embargo),
    ("embargo that runs past the data", beyond),
    ("test groups apart: the rows between", between),
    ("test groups that touch", touching),
    ("a timestamp stays on one side", cut),
    ("a panel one asset after the other", asset_major),
    ("embargo of 2 days on 10 assets", panel_embargo),
    ("times 100 ns apart", ticks),
    ("a label that ends before its row", backwards),
    ("`cv=` of `cross_val_score`", scored),
    ("`cv=` of a search inside another split", nested),
)


def run(check: Callable[[Peer], str], peer: Peer) -> str:
    """One cell of the table."""
    try:
        return check(peer)
    except _AbsentError:
        return ABSENT
    except Exception as error:  # noqa: BLE001
        return f"fails ({type(error).__name__})"


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        module = sys.modules.get(package) or (
            importlib.import_module(package) if importlib.util.find_spec(package) else None
        )
        return None if module is None else str(getattr(module, "__version__", "?"))


def table() -> str:
    """The table as Markdown, one line a check."""
    found = {peer.package: version(peer.package) for peer in PEERS}
    heads = [f"{package} {number or ''}".strip() for package, number in found.items()]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(PEERS) + 1) + "|"]
    for title, check in CHECKS:
        cells = [run(check, peer) if found[peer.package] else "not installed" for peer in PEERS]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(table())
