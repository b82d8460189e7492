"""Which checks there are, by name and by suite."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from math import isnan
from numbers import Real
from typing import Any

import numpy as np

from tradewright.errors import ParameterError
from tradewright.sanity_checks.asof import AvailableTooLate
from tradewright.sanity_checks.base import Check
from tradewright.sanity_checks.duplicates import CrossDuplicates, NearDuplicates
from tradewright.sanity_checks.feature_order import IdLikeFeatures, StaleFeatures
from tradewright.sanity_checks.features import (
    BadScales,
    ConstantFeatures,
    DuplicateColumns,
    InfiniteFeatures,
    MissingFeatures,
    QuasiConstantFeatures,
    SentinelValues,
)
from tradewright.sanity_checks.repeats import ConflictingLabels, RepeatedKeys, StaleRows, WithinDuplicates
from tradewright.sanity_checks.scaling import GlobalScaling
from tradewright.sanity_checks.split import LabelOverlap
from tradewright.sanity_checks.target import ConstantTarget, InvalidTarget
from tradewright.sanity_checks.twin_assets import TwinAssets

__all__ = ["CHECKS", "SUITES", "Ignore", "build_checks"]

#: Every check, in the order of reports.
CHECKS: tuple[type[Check], ...] = (
    InvalidTarget,
    ConstantTarget,
    GlobalScaling,
    AvailableTooLate,
    LabelOverlap,
    CrossDuplicates,
    NearDuplicates,
    RepeatedKeys,
    TwinAssets,
    WithinDuplicates,
    ConflictingLabels,
    StaleRows,
    MissingFeatures,
    InfiniteFeatures,
    ConstantFeatures,
    QuasiConstantFeatures,
    DuplicateColumns,
    IdLikeFeatures,
    StaleFeatures,
    SentinelValues,
    BadScales,
)

SUITES: tuple[str, ...] = ("leakage", "split", "quality", "all")

#: A check to leave out, or a check and a column.
Ignore = Sequence[str | tuple[str, str]]


def build_checks(
    suite: str | Sequence[str], config: Mapping[str, Mapping[str, Any]], ignore: Ignore
) -> tuple[list[Check], set[tuple[str, str]]]:
    """Build the checks of a suite (or a list of check ids) with their thresholds; and the ignored (id, column) pairs.

    Raises
    ------
    ParameterError
        For a suite, a check or a threshold that is not there, with the nearest names; for a threshold that is no
        number, also of a check that is not chosen.
    """
    by_id = {kind.id: kind for kind in CHECKS}
    left_out = {item for item in ignore if isinstance(item, str)}
    pairs = {(item[0], item[1]) for item in ignore if not isinstance(item, str)}
    named = {*left_out, *(pair[0] for pair in pairs), *config}
    if isinstance(suite, str):
        if suite not in SUITES:
            raise ParameterError(f"suite={suite!r}: pass one of {', '.join(SUITES)}, or check ids", code="sanity.suite")
        chosen = [kind for kind in CHECKS if suite == "all" or suite in kind.suites]
    else:
        named |= set(suite)
        chosen = [kind for kind in CHECKS if kind.id in suite]
    for name in sorted(named):
        if name not in by_id:
            near = difflib.get_close_matches(name, by_id, n=3, cutoff=0.4) or list(by_id)
            raise ParameterError(f"there is no check {name!r}; there is {', '.join(near)}", code="sanity.unknown_check")
    thresholds = {name: _thresholds(by_id[name], values) for name, values in config.items()}
    return [kind(**thresholds.get(kind.id, {})) for kind in chosen if kind.id not in left_out], pairs


def _thresholds(kind: type[Check], values: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds of a check as numbers, refused by name where they are none."""
    known = kind().config()
    if not isinstance(values, Mapping):
        raise ParameterError(
            f"config[{kind.id!r}]={values!r}: pass a mapping of its thresholds ({', '.join(known) or 'it has none'})",
            code="sanity.threshold",
            check=kind.id,
        )
    for name, value in values.items():
        if name not in known:
            raise ParameterError(
                f"{kind.id} has no threshold {name!r}; it has {', '.join(known) or 'none'}", code="sanity.threshold"
            )
        if isinstance(value, bool | np.bool_) or not isinstance(value, Real) or isnan(value):
            raise ParameterError(
                f"{kind.id}: threshold {name!r} is {value!r}: pass a number, such as {known[name]!r}",
                code="sanity.threshold",
                check=kind.id,
                threshold=name,
            )
    return {name: float(value) for name, value in values.items()}
