"""Ways to spoil an honest panel, each with what a report must say of it.

Used by the gallery of leaks on panels made up, by the calibration on the sample market data, and for detection rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tradewright as tw

KFOLD = tw.PurgedKFold(n_splits=5, embargo=5, val_size=40)


@dataclass(frozen=True)
class Spoiled:
    """What was done: the report of it, and what has to stand in it.

    Parameters
    ----------
    report : SanityReport
        Of all checks.
    count : int or None
        The exact count of the finding (the largest, where there is one for each fold); None where chance decides.
    columns : tuple of str
        The columns the finding must name; empty for rows.
    rows : tuple of int
        Rows that must be among the examples.
    """

    report: tw.SanityReport
    count: int | None = None
    columns: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sabotage:
    """A way to spoil a panel, the check and severity that must name it, and the checks that may see it too."""

    name: str
    check: str
    severity: str
    spoil: Callable[[tw.Panel, np.random.Generator], Spoiled]
    also: tuple[str, ...] = ()

    def caught(self, spoiled: Spoiled) -> bool:
        """Whether the report names it: right check and severity, right columns, the exact count and rows."""
        found = [f for f in spoiled.report.findings if f.id == self.check and f.severity == self.severity]
        if spoiled.columns:
            found = [f for f in found if set(spoiled.columns) & set(f.columns)]
            named = {column for f in found for column in f.columns}
            if not set(spoiled.columns) <= named:
                return False
        if not found:
            return False
        if spoiled.count is not None and max(f.count for f in found) != spoiled.count:
            return False
        shown = {example.row for f in found for example in f.examples}
        return set(spoiled.rows) <= shown


SABOTAGES: list[Sabotage] = []


def sabotage(check: str, severity: str, *also: str) -> Callable[[Callable[..., Spoiled]], Callable[..., Spoiled]]:
    """Register a way to spoil a panel under the name of the function."""

    def register(spoil: Callable[..., Spoiled]) -> Callable[..., Spoiled]:
        SABOTAGES.append(Sabotage(spoil.__name__.replace("_", " "), check, severity, spoil, also))
        return spoil

    return register


def with_columns(panel: tw.Panel, **columns: NDArray[Any]) -> tw.Panel:
    return replace(panel, columns={**panel.columns, **columns})


def checked(panel: tw.Panel, **keywords: Any) -> tw.SanityReport:
    """All checks on a plan of the panel's own."""
    return tw.check(panel, KFOLD.plan(panel), **keywords)


def per_asset(panel: tw.Panel, shift: int, values: NDArray[Any]) -> NDArray[np.float64]:
    """Values of the same asset ``shift`` bars later (earlier, below 0); NaN where there are none."""
    order = np.lexsort((panel.time, panel.asset))
    moved = np.full(len(panel), np.nan)
    ordered, asset = values[order], panel.asset[order]
    source = np.arange(len(panel)) + shift
    inside = (source >= 0) & (source < len(panel))
    same = inside.copy()
    same[inside] = asset[source[inside]] == asset[inside]
    moved[order[same]] = ordered[source[same]]
    return moved


def usual_size(values: NDArray[Any]) -> float:
    """The standard deviation, were the tails not fat."""
    low, high = np.nanquantile(values, [0.25, 0.75])
    return float(high - low) / 1.349


def halves(panel: tw.Panel) -> tuple[tw.Panel, tw.Panel]:
    """The panel before and after the middle of its time, labels purged."""
    times = np.unique(panel.time)
    border = times[len(times) * 2 // 3]
    return panel.take(panel.label_end < border), panel.take(panel.time >= border)


# --- features that know the label -------------------------------------------------------------------------------------


@sabotage("leak.feature_is_future_value", "error", "leak.target_proxy", "lookahead.lag_profile")
def the_target_as_a_feature(panel, rng):
    return Spoiled(checked(with_columns(panel, copy=panel.y.copy())), columns=("copy",))


@sabotage("leak.target_proxy", "error", "lookahead.lag_profile")
def the_target_with_a_fifth_of_noise(panel, rng):
    noisy = panel.y + rng.normal(size=len(panel)) * 0.2 * usual_size(panel.y)
    return Spoiled(checked(with_columns(panel, noisy=noisy)), columns=("noisy",))


@sabotage("leak.target_proxy", "error")
def the_size_of_the_target(panel, rng):
    return Spoiled(checked(with_columns(panel, size=panel.y**2)), columns=("size",))


@sabotage("leak.target_proxy", "warning", "lookahead.lag_profile")
def a_blend_with_the_target(panel, rng):
    blend = panel.y / usual_size(panel.y) + 0.7 * rng.normal(size=len(panel))
    return Spoiled(checked(with_columns(panel, blend=blend)), columns=("blend",))


@sabotage("leak.feature_is_future_value", "error", "lookahead.lag_profile", "leak.target_proxy")
def labels_of_three_bars_later(panel, rng):
    return Spoiled(checked(with_columns(panel, later=per_asset(panel, 3, panel.y))), columns=("later",))


@sabotage("leak.missingness", "error", "feature.nan")
def gaps_that_tell_the_sign(panel, rng):
    gaps = np.where(panel.y > 0, np.nan, rng.normal(size=len(panel)))
    return Spoiled(checked(with_columns(panel, gaps=gaps)), columns=("gaps",))


@sabotage("lookahead.lag_profile", "error", "leak.target_proxy")
def the_label_of_the_next_bar_with_noise(panel, rng):
    ahead = per_asset(panel, 1, panel.y)
    ahead = ahead + rng.normal(size=len(panel)) * 0.1 * usual_size(panel.y)
    return Spoiled(checked(with_columns(panel, ahead=ahead)), columns=("ahead",))


@sabotage("leak.global_scaling", "warning")
def features_scaled_over_all_rows(panel, rng):
    names = ("momentum_1m", "reversal_1d", "volatility_1m", "momentum", "volatility", "reversal")
    names = tuple(name for name in names if name in panel.columns)

    def scaled(values):
        return (values - np.nanmean(values)) / np.nanstd(values)

    whole = with_columns(panel, **{name: scaled(panel.columns[name]) for name in names})
    return Spoiled(checked(whole), columns=names)


@sabotage("leak.global_scaling", "warning", "feature.high_correlation")
def features_ranked_over_all_rows(panel, rng):
    names = tuple(name for name in ("momentum_1m", "reversal_1d", "persistent", "noise") if name in panel.columns)
    ranked = {name: np.argsort(np.argsort(panel.columns[name])) / len(panel) for name in names}
    return Spoiled(checked(with_columns(panel, **ranked)), columns=names)


@sabotage("leak.global_scaling", "info")
def features_scaled_before_rows_were_dropped(panel, rng):
    """Labels that had not closed were dropped after the scaling: some 2 % of the rows."""
    scaled = {name: (values - np.nanmean(values)) / np.nanstd(values) for name, values in panel.columns.items()}
    times = np.unique(panel.time)
    whole = with_columns(panel, **scaled)
    return Spoiled(checked(whole.take(panel.time < times[-max(3, len(times) // 100)])))


@sabotage("lookahead.lag_profile", "error", "leak.target_proxy")
def an_average_centred_on_its_row(panel, rng):
    """Of five daily returns, two of which are those of the next days."""
    ahead = [per_asset(panel, shift, panel.returns) for shift in range(-3, 2)]
    return Spoiled(checked(with_columns(panel, centred=np.mean(ahead, axis=0))), columns=("centred",))


@sabotage("lookahead.lag_profile", "warning")
def the_next_return_in_as_much_noise(panel, rng):
    """Too weak beside a label of five days; plain beside the return itself."""
    noisy = panel.returns + rng.normal(size=len(panel)) * panel.returns.std()
    return Spoiled(checked(with_columns(panel, noisy=noisy)), columns=("noisy",))


@sabotage("leak.feature_is_future_value", "error", "lookahead.lag_profile", "leak.target_proxy")
def tomorrows_label_of_another_asset(panel, rng):
    order = np.lexsort((panel.asset, panel.time))
    other = np.empty(len(panel))
    other[order] = np.roll(panel.y[order], 1)  # the asset before it, on the same day
    ahead = per_asset(panel, 1, other)
    return Spoiled(checked(with_columns(panel, neighbour=ahead)), columns=("neighbour",))


@sabotage("leak.feature_is_future_value", "error", "lookahead.lag_profile", "leak.target_proxy")
def a_shift_over_the_rows_of_all_assets(panel, rng):
    """shift(-1) of a table sorted by date, without grouping by asset."""
    order = np.lexsort((panel.asset, panel.time))
    shifted = np.full(len(panel), np.nan)
    shifted[order[:-1]] = panel.y[order[1:]]
    return Spoiled(checked(with_columns(panel, shifted=shifted)), columns=("shifted",))


# --- rows ---------------------------------------------------------------------------------------------------------------


@sabotage("dup.cross_exact", "error", "dup.conflict")
def rows_copied_from_the_test_into_train(panel, rng):
    plan = KFOLD.plan(panel.times, label_end=panel.label_ends)
    fold = plan[3]
    source = fold.test.indices()[100:140]
    late = fold.train.indices()[len(fold.train) // 2 :]  # behind the warm-up
    target = np.sort(rng.choice(late, 40, replace=False))
    columns = {name: values.copy() for name, values in panel.columns.items()}
    for values in columns.values():
        values[target] = values[source]
    report = tw.check(replace(panel, columns=columns), plan)
    return Spoiled(report, rows=tuple(source[:3].tolist()))


@sabotage("dup.cross_near", "warning")
def rows_copied_in_single_precision(panel, rng):
    plan = KFOLD.plan(panel.times, label_end=panel.label_ends)
    fold = plan[3]
    source, target = fold.test.indices()[100:140], fold.train.indices()[-240:-200]
    columns = {name: values.astype(np.float64) for name, values in panel.columns.items()}
    for values in columns.values():
        values[target] = values[source].astype(np.float32)
    report = tw.check(replace(panel, columns=columns), plan)
    return Spoiled(report, rows=tuple(source[:3].tolist()))


@sabotage("dup.entity", "warning", "dup.within", "dup.conflict")
def an_asset_under_a_second_name(panel, rng):
    twin = panel.take(panel.asset == panel.asset[-1])
    frame = panel.to_frame()
    import polars as pl

    double = twin.to_frame().with_columns(pl.lit("TWIN").alias("asset"))
    both = pl.concat([frame, double]).sort("time", "asset")
    again = tw.Panel.from_frame(
        both, target=panel.target, time="time", asset="asset", label_end="label_end", features=list(panel.columns)
    )
    return Spoiled(checked(again), count=1)


@sabotage("dup.entity", "warning")
def an_asset_whose_prices_were_adjusted_anew(panel, rng):
    """All its prices times a factor: what is made of them is the same, but for rounding."""
    twin = panel.take(panel.asset == panel.asset[-1])
    twin = replace(twin, columns={name: values * (1 + 2e-16) for name, values in twin.columns.items()})
    names = [*np.asarray(panel.asset_names, object)[panel.asset], *["TWIN"] * len(twin)]
    again = tw.Panel.from_arrays(
        np.vstack([np.column_stack(list(part.columns.values())) for part in (panel, twin)]),
        np.concatenate([panel.y, twin.y]),
        time=np.concatenate([panel.times, twin.times]),
        asset=names,
        label_end=np.concatenate([panel.label_ends, twin.label_ends]),
        feature_names=list(panel.columns),
    )
    return Spoiled(checked(again), count=1)


@sabotage("dup.key", "error")
def a_file_read_twice_in_part(panel, rng):
    again = panel.take(np.r_[np.arange(len(panel)), np.arange(500, 530)])
    return Spoiled(checked(again), count=30)


@sabotage(
    "split.index_overlap",
    "error",
    "dup.cross_exact",
    "dup.key",
    "split.label_overlap",
    "split.same_timestamp",
    "split.time_order",
)
def validation_rows_that_were_trained_on(panel, rng):
    train, val = halves(panel)
    both = train.take(np.arange(len(train) - 50, len(train)))
    report = tw.ModelSanityChecker().run(train, None, both)
    del val
    return Spoiled(report, count=50)


# --- time ---------------------------------------------------------------------------------------------------------------


@sabotage("split.label_overlap", "error")
def folds_that_were_not_purged(panel, rng):
    plan = tw.PurgedKFold(n_splits=5).plan(panel.times)
    report = tw.check(panel, plan)
    return Spoiled(report, count=max(overlapping(panel, fold) for fold in plan.folds))


def overlapping(panel: tw.Panel, fold: tw.Fold) -> int:
    """Train rows whose label meets the hull of the test, counted one by one."""
    test = fold.test.indices()
    start, stop = panel.time[test].min(), panel.label_end[test].max()
    train = fold.train.indices()
    return int(((panel.time[train] <= stop) & (panel.label_end[train] >= start)).sum())


@sabotage("split.same_timestamp", "error", "split.label_overlap", "split.time_order")
def a_date_cut_in_two(panel, rng):
    n_assets = len(panel.asset_names)
    cut = (len(panel) * 2 // 3) // n_assets * n_assets + n_assets // 2
    time = panel.time[cut]
    cut = int(np.flatnonzero(panel.time == time)[len(np.flatnonzero(panel.time == time)) // 2])
    train, val = panel.take(np.arange(cut)), panel.take(np.arange(cut, len(panel)))
    return Spoiled(tw.ModelSanityChecker().run(train, None, val), count=1)


@sabotage("split.time_order", "error", "split.label_overlap", "split.same_timestamp", "lookahead.lag_profile")
def rows_split_at_random(panel, rng):
    inside = rng.random(len(panel)) < 0.7
    return Spoiled(tw.ModelSanityChecker().run(panel.take(inside), None, panel.take(~inside)))


@sabotage("split.time_order", "error", "drift.univariate", "target.too_few")
def a_test_before_its_train_rows(panel, rng):
    earlier, later = halves(panel)
    return Spoiled(tw.ModelSanityChecker().run(later, None, earlier), count=len(later))


@sabotage("split.embargo", "warning")
def no_embargo_for_features_that_look_back(panel, rng):
    plan = tw.PurgedKFold(n_splits=5).plan(panel)
    return Spoiled(tw.check(panel, plan, lookback=60))


@sabotage("lookahead.asof", "error")
def fundamentals_known_weeks_later(panel, rng):
    train, val = halves(panel)
    late = np.sort(rng.choice(len(train), 25, replace=False))
    available = train.times.copy()
    available[late] = available[late] + np.timedelta64(40, "D")
    report = tw.ModelSanityChecker().run(train, None, val, available_at_train=available, available_at_val=val.times)
    return Spoiled(report, count=25, rows=tuple(late[:10].tolist()))


# --- what changed -------------------------------------------------------------------------------------------------------


@sabotage("drift.univariate", "error")
def a_feature_in_percent_from_some_day_on(panel, rng):
    name = next(iter(panel.columns))
    train, val = halves(panel)
    val = with_columns(val, **{name: val.columns[name] * 100})
    return Spoiled(tw.ModelSanityChecker().run(train, None, val), columns=(name,))


@sabotage("drift.nan_rate", "warning")
def a_feed_that_has_gaps_from_some_day_on(panel, rng):
    name = next(iter(panel.columns))
    train, val = halves(panel)
    gaps = np.where(rng.random(len(val)) < 0.3, np.nan, val.columns[name])
    return Spoiled(tw.ModelSanityChecker().run(train, None, with_columns(val, **{name: gaps})), columns=(name,))


# --- broken columns -----------------------------------------------------------------------------------------------------


@sabotage("feature.inf", "error", "feature.high_correlation")
def a_division_by_zero(panel, rng):
    values = next(iter(panel.columns.values())).astype(np.float64).copy()
    rows = np.sort(rng.choice(len(panel), 7, replace=False))
    values[rows] = np.inf
    report = checked(with_columns(panel, ratio=values))
    return Spoiled(report, count=7, columns=("ratio",), rows=tuple(rows.tolist()))


@sabotage("feature.constant", "error")
def a_constant_column(panel, rng):
    return Spoiled(checked(with_columns(panel, flat=np.full(len(panel), 3.0))), columns=("flat",))


@sabotage("feature.duplicate_column", "error", "feature.high_correlation")
def a_column_twice(panel, rng):
    values = next(iter(panel.columns.values()))
    return Spoiled(checked(with_columns(panel, again=values.copy())), columns=("again",))


@sabotage("feature.stale", "warning", "feature.high_correlation")
def a_feed_that_died(panel, rng):
    values = next(iter(panel.columns.values())).astype(np.float64).copy()
    order = np.lexsort((panel.time, panel.asset))
    mine = order[panel.asset[order] == panel.asset[-1]]
    dead = mine[len(mine) // 2 : len(mine) // 2 + len(mine) // 3]
    values[dead] = values[dead[0]]
    return Spoiled(checked(with_columns(panel, feed=values)), columns=("feed",))


@sabotage("feature.scale", "warning")
def counts_of_shares_beside_returns(panel, rng):
    shares = np.exp(18 + rng.normal(size=len(panel)))
    return Spoiled(checked(with_columns(panel, shares=shares)))


@sabotage("feature.id_like", "warning")
def a_row_number_as_a_feature(panel, rng):
    return Spoiled(checked(with_columns(panel, number=np.arange(len(panel), dtype=np.float64))), columns=("number",))


@sabotage("feature.id_like", "warning", "feature.scale", "feature.high_correlation")
def numbers_handed_out_by_outcome(panel, rng):
    """A number for each row in the order of settlement: by day, and of a day the best first."""
    number = np.empty(len(panel))
    number[np.lexsort((-panel.y, panel.time))] = np.arange(len(panel))
    return Spoiled(checked(with_columns(panel, number=number)), columns=("number",))
