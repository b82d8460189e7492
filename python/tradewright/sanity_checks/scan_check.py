"""Checks of parquet files that need not fit into memory: columns are profiled in batches, suspects read one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import DataError, ParameterError
from tradewright.panel.scan import PanelScan
from tradewright.sanity_checks.base import Check, Side
from tradewright.sanity_checks.inputs import refuse_other_columns, to_common_axis
from tradewright.sanity_checks.readings.profiles import ColumnProfile, Moments

__all__ = ["NOT_IN_BATCHES", "ScanProfiles", "refuse_beside_scans", "sides_from_scans"]

#: Why a check that looks at whole columns, or rows, side by side is skipped.
NOT_IN_BATCHES = (
    "it looks at all features side by side, and the file is read in batches: run it on rows or columns that fit into "
    "memory, by Panel.from_frame"
)


def refuse_beside_scans(*others: Any) -> None:
    """Raise for labels, times or assets beside a scan."""
    if any(value is not None for value in others):
        raise ParameterError(
            "a scan brings its own labels, times, label ends and assets: name their columns in Panel.scan_parquet, and "
            "pass X_train and X_val alone",
            code="sanity.scan_arguments",
        )


def sides_from_scans(X_train: Any, X_val: Any) -> tuple[Side, Side | None, ScanProfiles]:
    """Build the sides of files, and the profiles that read them.

    Raises
    ------
    ParameterError
        For a file beside what is no file.
    FeatureMismatchError
        For files of different columns.
    """
    scans = [X for X in (X_train, X_val) if X is not None]
    if X_train is None or not all(isinstance(scan, PanelScan) for scan in scans):
        kinds = " and ".join(type(X).__name__ for X in (X_train, X_val))
        raise ParameterError(
            f"X_train and X_val are a {kinds}: pass two scans, or two tables in memory", code="sanity.scan_arguments"
        )
    if X_val is not None:
        refuse_other_columns(list(X_train.columns), list(X_val.columns))
    names = tuple(sorted({name for scan in scans for name in scan.index.asset_names}))
    parts = [_part(name, scan, names) for name, scan in zip(("X_train", "X_val"), scans, strict=False)]
    for part in parts:
        part["columns"] = part["columns"].of(list(X_train.columns))
    to_common_axis(parts)
    sides = [Side(**part) for part in parts]
    profiles = ScanProfiles(dict(zip(sides, scans, strict=True)))
    return sides[0], sides[1] if len(sides) > 1 else None, profiles


def _part(name: str, scan: PanelScan, names: tuple[str, ...]) -> dict[str, Any]:
    index = scan.index
    codes = None
    if index.asset is not None:
        codes = np.searchsorted(np.array(names, dtype=str), np.array(index.asset_names, dtype=str))[index.asset]
    return {
        "name": name,
        "columns": scan.columns,
        "y": index.y,
        "time": index.times,
        "label_end": index.label_ends,
        "available_at": None,
        "asset": None if codes is None else codes.astype(np.int32),
        "asset_names": () if index.asset is None else names,
    }


@final
@dataclass(frozen=True, eq=False)
class ScanProfiles:
    """Profiles of files, read in batches when first asked for.

    Parameters
    ----------
    scans : mapping of Side to PanelScan
        The file of each side.
    """

    scans: Mapping[Side, PanelScan]
    _known: dict[Side, ColumnProfile] = field(default_factory=dict)

    def of(self, side: Side) -> ColumnProfile:
        """See :class:`Profiles`.

        Raises
        ------
        DataError
            For rows of an asset that do not ascend in time, with the row.
        """
        if side not in self._known:
            self._known[side] = _profile(side, self.scans[side])
        return self._known[side]

    def few(self, side: Side) -> NDArray[np.bool_]:
        """See :class:`Profiles`."""
        return self.of(side).few

    def moments(self, side: Side) -> Moments:
        """See :class:`Profiles`."""
        return self.of(side).total

    def missing(self, side: Side) -> NDArray[np.int64]:
        """See :class:`Profiles`."""
        return self.of(side).total.nan

    def pooled(self, train: Side, val: Side) -> Moments:
        """See :class:`Profiles`."""
        return Moments.merged([self.moments(train), self.moments(val)])

    def fingerprint(self, side: Side) -> str:
        """Return the content hash of a side: that of the same rows in memory."""
        scan = self.scans[side]
        return replace(scan, index=replace(scan.index, target="", weight=None, returns=None)).fingerprint

    def unable(self, checks: Sequence[Check]) -> dict[str, str]:
        """Return the checks that cannot run on files, and why."""
        return {check.id: NOT_IN_BATCHES for check in checks if not check.in_batches}


def _profile(side: Side, scan: PanelScan) -> ColumnProfile:
    _refuse_unsorted(side)
    codes = side.asset
    profiler = _core.ColumnProfiler(None if codes is None else int(codes.max(initial=-1)) + 1, 1)
    start = 0
    for columns in scan.batches(list(side.columns)):
        stop = start + len(columns[0])
        profiler.update(columns, None if codes is None else codes[start:stop], None, None)
        start = stop
    return ColumnProfile.from_facts(tuple(side.columns), profiler.finish())


def _refuse_unsorted(side: Side) -> None:
    """Raise where the rows of an asset go back in time: no batch knows what comes in the next."""
    time, asset = side.time, side.asset
    assert time is not None
    order = np.arange(len(time)) if asset is None else np.argsort(asset, kind="stable")
    back = time[order[1:]] < time[order[:-1]]
    if asset is not None:
        back &= asset[order[1:]] == asset[order[:-1]]
    if back.any():
        row = int(order[1:][back].min())
        raise DataError(
            f"{side.name}: row {row} ({side.example(row).time}) lies before an earlier row of its asset in time. Files are "
            "read in batches, so sort them first, for example by polars: scan_parquet(...).sort(time).sink_parquet(...)",
            code="sanity.scan_order",
            row=row,
        )
