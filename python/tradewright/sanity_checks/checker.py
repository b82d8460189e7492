"""The plain face of the checks: arrays or frames in, a report out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

import numpy as np

from tradewright import _core
from tradewright.errors import ParameterError
from tradewright.panel.scan import PanelScan
from tradewright.sanity_checks.base import CheckContext, Side
from tradewright.sanity_checks.declared import declare, refuse_horizon
from tradewright.sanity_checks.inputs import refuse_swapped, sides_from_arrays
from tradewright.sanity_checks.readings.profiles import ArrayProfiles
from tradewright.sanity_checks.readings.twins import ArrayTwins
from tradewright.sanity_checks.report import SanityReport
from tradewright.sanity_checks.runner import run_checks
from tradewright.sanity_checks.scan_check import ScanProfiles, refuse_beside_scans, sides_from_scans
from tradewright.sanity_checks.suites import Ignore, build_checks

__all__ = ["ModelSanityChecker"]

#: What looks for knowledge of the future in features, given their labels.
LOOK_AHEAD = ("leak.target_proxy", "leak.missingness", "leak.feature_is_future_value", "lookahead.lag_profile")


@final
class ModelSanityChecker:
    """Looks for leaks and broken columns in train and validation data.

    Takes polars and pandas frames, numpy arrays, panels, and scans of parquet files that are larger than memory. Nothing
    is sampled: every row is looked at. Columns are read in place, in either memory order.

    Parameters
    ----------
    config : mapping, optional
        Thresholds by check id, such as ``{"feature.nan": {"warning": 0.3}}``.
    closed : {"both", "left"}
        Whether label intervals that only touch count as overlapping ("both") or not.
    purge_scope : {"all", "asset"}
        Whether labels are held against those of all assets, or of their own alone.

    Raises
    ------
    ParameterError
        For an unknown check or threshold, and a threshold that is no number.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(400, 3)), rng.normal(size=400)
    >>> X_val = np.vstack([X[:2], rng.normal(size=(98, 3))])
    >>> report = ModelSanityChecker().run(X, y, X_val, rng.normal(size=100))
    >>> for finding in report.findings:
    ...     print(finding.id, finding.count, finding.examples[0])
    dup.cross_exact 2 X_val row 0 ~ X_train row 0
    >>> report.checks_skipped["split.label_overlap"]
    'there are no times: pass time_train and time_val, or a DatetimeIndex'
    """

    def __init__(
        self,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        closed: Literal["both", "left"] = "both",
        purge_scope: Literal["all", "asset"] = "all",
    ) -> None:
        build_checks("all", config or {}, ())  # refuse unknown names before any data is read
        self.config = {name: dict(thresholds) for name, thresholds in (config or {}).items()}
        self.closed = closed
        self.purge_scope = purge_scope

    def __repr__(self) -> str:
        return f"ModelSanityChecker(config={self.config!r}, closed={self.closed!r}, purge_scope={self.purge_scope!r})"

    def run(
        self,
        X_train: Any,
        y_train: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        *,
        time_train: Any = None,
        time_val: Any = None,
        asset_train: Any = None,
        asset_val: Any = None,
        label_end_train: Any = None,
        label_end_val: Any = None,
        available_at_train: Any = None,
        available_at_val: Any = None,
        horizon: int | str | None = None,
        profile: Literal["generic", "returns"] = "generic",
        nowcasting: Sequence[str] = (),
        raw: Sequence[str] = (),
        lookback: int | str | None = None,
        interleaved: bool = False,
        suite: str | Sequence[str] = "all",
        ignore: Ignore = (),
    ) -> SanityReport:
        """Run a suite of checks.

        Parameters
        ----------
        X_train, X_val : frame, matrix, Panel or PanelScan, shape (n_rows, n_features)
            The features. Frames are matched by column name, arrays by position. A panel brings its labels, times,
            label ends and assets; a pandas DatetimeIndex brings the times. Of scans (:meth:`Panel.scan_parquet`) the
            checks run that need a profile of the columns, and a few columns one by one; the others are skipped.
        y_train, y_val : array-like, shape (n_rows,)
            The labels.
        time_train, time_val, label_end_train, label_end_val : array-like, optional
            When each row is, and when its label is known for certain.
        asset_train, asset_val : array-like, optional
            Whose row it is.
        available_at_train, available_at_val : array-like, optional
            When the last of the row's features was known, on the clock of the times.
        horizon : int or str, optional
            The declared label horizon. It stands for no label ends (pass those): only 0, "a label ends at its own
            time", lets ``split.label_overlap`` pass without them.
        profile : {"generic", "returns"}
            What the labels are. With "returns", ``leak.target_proxy`` suspects any rank correlation of 0.2.
        nowcasting : sequence of str
            Features that may know the label's own period; the checks of leaks and of look-ahead leave them alone.
        raw : sequence of str
            Columns that hold what was observed at their own time (prices, volume): a feature that equals their later
            values is found by ``leak.feature_is_future_value``.
        lookback : int or str, optional
            How far back the longest feature looks, in timestamps or as a duration: needed by ``split.embargo``.
        interleaved : bool
            Train rows may lie after validation rows, as PurgedKFold lays them: ``split.time_order`` lets them.
        suite : str or sequence of str
            ``"leakage"``, ``"split"``, ``"quality"``, ``"drift"`` or ``"all"``; or check ids.
        ignore : sequence of str or (str, str)
            Checks to leave out, or findings about a column: ``[("feature.nan", "vix")]``.

        Returns
        -------
        SanityReport
            Checks that lack what they need are listed as skipped, with the reason. Rows in examples are positions in
            ``X_train`` or ``X_val``, and say which.

        Raises
        ------
        ParameterError
            For labels that look like features (swapped arguments), an unknown suite or check, a horizon that is none, and
            nothing to check.
        DataError, EmptyDataError, FeatureMismatchError
            For lengths that differ, columns that are not numeric or share a name, lazy frames, tables without rows,
            times of mixed kinds, sides with different columns, and scanned rows that do not ascend in time.
        """
        checks, ignored = build_checks(suite, self.config, ignore)
        if X_train is None and y_train is None:
            raise ParameterError("there is nothing to check: pass X_train, y_train or both", code="sanity.nothing")
        refuse_horizon(horizon)
        profiles: ArrayProfiles | ScanProfiles = ArrayProfiles()
        if isinstance(X_train, PanelScan) or isinstance(X_val, PanelScan):
            times = (time_train, time_val, label_end_train, label_end_val, available_at_train, available_at_val)
            refuse_beside_scans(y_train, y_val, asset_train, asset_val, *times)
            train, val, profiles = sides_from_scans(X_train, X_val)
        else:
            train, val = sides_from_arrays(
                X_train,
                y_train,
                X_val,
                y_val,
                time=(time_train, time_val),
                asset=(asset_train, asset_val),
                label_end=(label_end_train, label_end_val),
                available_at=(available_at_train, available_at_val),
            )
        declared = declare(
            train.columns, profile=profile, nowcasting=nowcasting, raw=raw, lookback=lookback, interleaved=interleaved
        )
        context = CheckContext(
            train=train,
            val=val,
            twins=ArrayTwins(),
            profiles=profiles,
            horizon=horizon,
            closed=self.closed,
            purge_scope=self.purge_scope,
            declared=declared,
        )
        return run_checks(
            checks,
            rows=context,
            pairs=[context],
            ignored=ignored,
            settings={
                "suite": suite if isinstance(suite, str) else list(suite),
                "ignore": [item if isinstance(item, str) else list(item) for item in ignore],
                "horizon": horizon,
                "closed": self.closed,
                "purge_scope": self.purge_scope,
                **declared.settings(),
            },
            data_fingerprint=_fingerprint(train, val, profiles),
            plan_digest=None,
            unable=profiles.unable(checks),
        )

    def check_target_distribution(self, y: Any, **keywords: Any) -> SanityReport:
        """Check the labels alone; takes the keywords of :meth:`run`."""
        return self.run(None, y, suite=self._of("target.", keywords), **keywords)

    def check_look_ahead(self, X: Any, y: Any, **keywords: Any) -> SanityReport:
        """Check whether features know labels of their future; takes the keywords of :meth:`run`.

        Without times the order of the rows is taken for time, and findings say so. This looks at data: what a feature
        *function* looks at is found by :func:`tradewright.check_pipeline`.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> y = rng.normal(size=500)
        >>> X = {"noise": rng.normal(size=500), "tomorrow": np.append(y[1:], 0.0)}
        >>> report = ModelSanityChecker().check_look_ahead(X, y, horizon=1)
        >>> [(finding.id, finding.columns) for finding in report.findings]
        [('leak.feature_is_future_value', ('tomorrow',)), ('lookahead.lag_profile', ('tomorrow',))]
        """
        suite = keywords.pop("suite", None) or LOOK_AHEAD
        return self.run(X, y, suite=suite, **keywords)

    def check_data_leakage(
        self, X_train: Any, X_val: Any, y_train: Any = None, y_val: Any = None, **keywords: Any
    ) -> SanityReport:
        """Check whether train and validation rows are independent; takes the keywords of :meth:`run`.

        Mind the order of the arguments: both matrices first, then both label vectors. The other order is recognised
        by its shapes and refused.
        """
        refuse_swapped(y_train, X_val, y_val)
        return self.run(X_train, y_train, X_val, y_val, **{"suite": "leakage", **keywords})

    def check_feature_quality(self, X: Any, **keywords: Any) -> SanityReport:
        """Check the feature columns of one frame; takes the keywords of :meth:`run`."""
        return self.run(X, suite=self._of("feature.", keywords), **keywords)

    @staticmethod
    def _of(prefix: str, keywords: dict[str, Any]) -> Any:
        """The suite asked for, or all checks whose id begins like this."""
        from tradewright.sanity_checks.suites import CHECKS

        return keywords.pop("suite", None) or [kind.id for kind in CHECKS if kind.id.startswith(prefix)]


def _fingerprint(train: Side, val: Side | None, profiles: ArrayProfiles | ScanProfiles) -> str | None:
    """The content hash of all that was handed in."""
    digests = [profiles.fingerprint(side) for side in (train, val) if side is not None]
    # Combining forgets the order of the sides: say which is which.
    sides = [np.frombuffer(bytes.fromhex(digest), dtype=np.uint8) for digest in digests]
    return _core.fingerprint_columns([np.concatenate(sides)], ["sides"])[0] if sides else None
