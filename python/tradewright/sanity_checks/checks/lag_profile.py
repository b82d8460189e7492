"""lookahead.lag_profile: features that go best with labels that are not known yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.sanity_checks.base import CannotRun, Check, CheckContext
from tradewright.sanity_checks.readings.series import (
    SIGMAS,
    WANDERS,
    SideSeries,
    above_noise,
    effective,
    horizon_bars,
    known_labels,
    series_of,
)
from tradewright.sanity_checks.report import Finding, severity_rank

__all__ = ["LagProfile", "Profile", "profile_of"]

#: How many rows beyond the known labels, and into the future, a feature is followed.
REACH = 10
#: Longer horizons are taken as this one: the zone of known labels must be near.
LONGEST = 252
#: Rows below which nothing is said.
FEWEST = 40


@dataclass(frozen=True, eq=False)
class Profile:
    """How features go with the labels of earlier and later rows.

    Attributes
    ----------
    names : tuple of str
        The features.
    lags : ndarray of int64, shape (n_lags,)
        Rows of the same asset from the feature to the label.
    correlations : ndarray of float64, shape (n_columns, n_lags)
        Pearson's correlation, each asset standardised on its own.
    own : ndarray of float64, shape (n_lags,)
        That of the labels with themselves.
    horizon : int
        Labels ``horizon`` rows back are known.
    limits : ndarray of float64, shape (n_columns,)
        Four standard errors above 0.
    differenced : ndarray of bool, shape (n_columns,)
        Features that are taken by what they change by.
    """

    names: tuple[str, ...]
    lags: NDArray[np.int64]
    correlations: NDArray[np.float64]
    own: NDArray[np.float64]
    horizon: int
    worth: NDArray[np.float64]
    differenced: NDArray[np.bool_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which lags belong to labels that are known at the row's time."""
        known: NDArray[np.bool_] = self.lags <= -self.horizon
        return known


def profile_of(context: CheckContext, names: tuple[str, ...] | None = None, *, of_returns: bool = False) -> Profile:
    """Return the lag profiles of features of the train side. One pass to see which wander, two for the products.

    With ``of_returns`` they are held against the returns of the bar after each row, which are known one row later.

    Raises
    ------
    CannotRun
        Without labels or features, with rows whose predecessors are not known, and for fewer than 40 dates.
    """
    side = context.train
    y = side.returns if of_returns and side.returns is not None else known_labels(context)
    chosen = tuple(side.columns) if names is None else names
    if not chosen:
        raise CannotRun("there are no features")
    series = series_of(side)
    if series.mixed:
        raise CannotRun("rows share a time, and nothing says whose they are: pass asset_train")
    if series.dates < FEWEST:
        raise CannotRun(f"{series.dates} rows in time are too few: it takes {FEWEST}")
    horizon = 1 if of_returns else min(horizon_bars(context)[0], LONGEST)
    columns = [side.columns[name] for name in chosen]
    y, rho_y = _settled(series, y, horizon)
    rhos = series.lag_one(columns)
    wanders = rhos > WANDERS
    lags = np.arange(-(horizon + REACH), REACH + 1)
    table, _ = _core.lag_profile(
        [*columns, y], [*wanders.tolist(), False], y, series.order, series.starts, int(lags[0]), int(lags[-1])
    )
    # Steps of a walk resemble each other little; where they do, their labels' own autocorrelation is the larger part.
    steps = np.where(wanders, 0.0, rhos)
    return Profile(
        names=chosen,
        lags=lags,
        correlations=table[:-1],
        own=table[-1],
        horizon=horizon,
        worth=np.asarray(effective(series.dates, steps, rho_y)),
        differenced=wanders,
    )


def _settled(series: SideSeries, y: NDArray[np.float64], horizon: int) -> tuple[NDArray[np.float64], float]:
    """The labels, by their changes where they wander more than their overlap explains; and their autocorrelation."""
    rho = float(series.lag_one([y])[0])
    if rho <= WANDERS or 1 - 1 / max(horizon, 1) > 0.9:
        return y, rho
    changes = np.full(len(y), np.nan)
    changes[slice(None) if series.order is None else series.order] = series.changes(y)
    return changes, float(series.lag_one([changes])[0])


@final
@dataclass(frozen=True)
class LagProfile(Check):
    r"""lookahead.lag_profile: a feature that goes best with labels that are not known at its time. Counts rows.

    The correlation r(k) of the feature at t with the label at t+k is taken for k = −(h+10) … 10, asset by asset. Labels
    h rows back are known (h: the declared horizon, else by label ends, else one). A feature fires when its largest \\|r\\|
    is at a label that is not, at least ``warning`` and four standard errors beyond it, half as large again as that of
    any known label; and, for k > 0, more than the label of its own row explains by overlap. What wanders like a price
    is taken by its changes. The features' scan is one matrix product over windows of the labels.

    Labels over several rows overlap, and blur what is ahead with what is past: where a panel has ``returns`` too, which
    last a row, the same is asked of them.

    Without times the order of rows is taken for time. A feature that looks ahead by less than its own memory need not
    fire: :func:`tradewright.check_pipeline` finds those.
    """

    warning: float = 0.3
    error: float = 0.9
    ratio: float = 1.5

    id: ClassVar[str] = "lookahead.lag_profile"
    severity: ClassVar[Literal["info", "warning", "error"]] = "error"
    taxonomy: ClassVar[str | None] = "L3.1"
    suites: ClassVar[tuple[str, ...]] = ("leakage",)
    scope: ClassVar[Literal["rows", "pair"]] = "rows"

    def run(self, context: CheckContext) -> list[Finding]:
        """See the class."""
        allowed = set(context.declared.nowcasting)
        names = tuple(name for name in context.train.columns if name not in allowed)
        profile = profile_of(context, names)
        findings = self._judge(context, profile, "label")
        if context.train.returns is not None and profile.horizon > 1:
            # A label of h returns goes with a feature 1/√h as well as one of them does: half of that is worth a look.
            ahead = np.nan_to_num(np.abs(profile.correlations[:, ~profile.known])).max(axis=1)
            worth_a_look = np.flatnonzero(ahead >= 0.5 * self.warning / np.sqrt(profile.horizon)).tolist()
            if worth_a_look:
                chosen = tuple(names[j] for j in worth_a_look)
                findings += self._judge(context, profile_of(context, chosen, of_returns=True), "return")
        findings.sort(key=lambda finding: (-severity_rank(finding.severity), -(finding.value or 0.0)))
        worst: dict[str, Finding] = {}
        for finding in findings:
            worst.setdefault(finding.columns[0], finding)
        return [worst[name] for name in names if name in worst]

    def _judge(self, context: CheckContext, profile: Profile, noun: str) -> list[Finding]:
        """The features whose profile peaks at labels, or returns, that are not known."""
        known = profile.known
        sizes = np.nan_to_num(np.abs(profile.correlations))
        behind = sizes[:, known].max(axis=1)
        ahead = np.where(known, 0.0, sizes)
        peaks = ahead.argmax(axis=1)
        values = ahead.max(axis=1)
        at = profile.lags[peaks]
        zero = int(np.flatnonzero(profile.lags == 0)[0])
        explained = np.where(at > 0, sizes[:, zero] * np.abs(np.nan_to_num(profile.own[peaks])), 0.0)
        explained = np.where(at > 0, np.tanh(np.arctanh(np.minimum(explained, 0.999)) + _error(profile.worth)), 0.0)
        limits = above_noise(self.warning, profile.worth)
        fires = (values >= limits) & (values > self.ratio * behind) & (values > explained)
        severe = values >= above_noise(self.error, profile.worth)
        return [
            self._finding(context, profile, j, bool(severe[j]), float(limits[j]), noun)
            for j in np.flatnonzero(fires).tolist()
        ]

    def _finding(
        self, context: CheckContext, profile: Profile, column: int, severe: bool, limit: float, noun: str
    ) -> Finding:
        name, r = profile.names[column], np.nan_to_num(profile.correlations[column])
        ahead = np.where(profile.known, 0.0, np.abs(r))
        peak = int(ahead.argmax())
        best = float(np.abs(r[profile.known]).max())
        by_change = ", by its changes," if profile.differenced[column] else ""
        order = "" if context.train.time is not None else ". There are no times: rows are taken in the order they lie"
        facts: dict[str, Any] = {
            "columns": (name,),
            "message": f"{name!r}{by_change} goes best with {_which(int(profile.lags[peak]), noun)}, at a correlation "
            f"of {r[peak]:.2f}; with {noun}s that are known at its time at {best:.2f} at most{order}",
            "value": float(ahead[peak]),
            "threshold": float(above_noise(self.error, profile.worth[column])) if severe else limit,
            "count": len(context.train),
            "remedy": "shift it so that a row holds only what was known at its time; check_pipeline shows where the "
            "function that makes it looks ahead",
        }
        return context.finding(self, "error" if severe else "warning", **facts)


def _which(lag: int, noun: str) -> str:
    if lag == 0:
        return f"the {noun} of its own row"
    rows = f"{abs(lag)} row{'s' if abs(lag) > 1 else ''}"
    return f"the {noun} of {rows} later" if lag > 0 else f"the {noun} of {rows} before, which is not known yet"


def _error(worth: NDArray[np.float64]) -> NDArray[np.float64]:
    error: NDArray[np.float64] = SIGMAS / np.sqrt(np.maximum(worth - 3.0, 0.05))
    return error
