"""Which checks there are, by name and by suite."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from math import isnan
from numbers import Real
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from tradewright.errors import ParameterError
from tradewright.sanity_checks.base import Check
from tradewright.sanity_checks.checks.asof import AvailableTooLate
from tradewright.sanity_checks.checks.correlated_features import CorrelatedFeatures
from tradewright.sanity_checks.checks.drift import FeatureDrift, MissingRateDrift
from tradewright.sanity_checks.checks.drift_adversarial import AdversarialDrift
from tradewright.sanity_checks.checks.duplicates import CrossDuplicates, NearDuplicates
from tradewright.sanity_checks.checks.feature_order import IdLikeFeatures, StaleFeatures
from tradewright.sanity_checks.checks.features import (
    BadScales,
    ConstantFeatures,
    DuplicateColumns,
    InfiniteFeatures,
    MissingFeatures,
    QuasiConstantFeatures,
    SentinelValues,
)
from tradewright.sanity_checks.checks.future_value import FutureValue
from tradewright.sanity_checks.checks.lag_profile import LagProfile
from tradewright.sanity_checks.checks.missing_leak import MissingnessLeak
from tradewright.sanity_checks.checks.repeats import ConflictingLabels, RepeatedKeys, StaleRows, WithinDuplicates
from tradewright.sanity_checks.checks.scaling import GlobalScaling
from tradewright.sanity_checks.checks.split import LabelOverlap
from tradewright.sanity_checks.checks.split_order import Embargo, EntityOverlap, IndexOverlap, SameTimestamp, TimeOrder
from tradewright.sanity_checks.checks.target import ConstantTarget, InvalidTarget
from tradewright.sanity_checks.checks.target_proxy import TargetProxy
from tradewright.sanity_checks.checks.target_shape import FewLabels, ImbalancedTarget, OutlyingTarget
from tradewright.sanity_checks.checks.target_time import AutocorrelatedTarget, ShiftedTarget
from tradewright.sanity_checks.checks.twin_assets import TwinAssets

__all__ = ["CHECKS", "SUITES", "Ignore", "build_checks", "choose_checks"]


class _Named(Protocol):
    """What a check of any kind has: a name, and thresholds."""

    id: ClassVar[str]

    def config(self) -> dict[str, Any]: ...


AnyCheck = TypeVar("AnyCheck", bound=_Named)

#: Every check, in the order of reports; one a line.
CHECKS: tuple[type[Check], ...] = (
    InvalidTarget,
    ConstantTarget,
    FewLabels,
    ImbalancedTarget,
    OutlyingTarget,
    AutocorrelatedTarget,
    ShiftedTarget,
    TargetProxy,
    MissingnessLeak,
    FutureValue,
    GlobalScaling,
    LagProfile,
    AvailableTooLate,
    IndexOverlap,
    TimeOrder,
    LabelOverlap,
    SameTimestamp,
    Embargo,
    EntityOverlap,
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
    CorrelatedFeatures,
    IdLikeFeatures,
    StaleFeatures,
    SentinelValues,
    BadScales,
    FeatureDrift,
    MissingRateDrift,
    AdversarialDrift,
)

SUITES: tuple[str, ...] = ("leakage", "split", "quality", "drift", "all")

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
    if not isinstance(suite, str):
        return choose_checks(CHECKS, list(suite), config, ignore)
    if suite not in SUITES:
        raise ParameterError(f"suite={suite!r}: pass one of {', '.join(SUITES)}, or check ids", code="sanity.suite")
    return choose_checks(CHECKS, _members(suite), config, ignore)


def _members(suite: str) -> list[str]:
    return [kind.id for kind in CHECKS if (kind.by_default if suite == "all" else suite in kind.suites)]


def choose_checks(
    kinds: Sequence[type[AnyCheck]],
    chosen: Sequence[str] | None,
    config: Mapping[str, Mapping[str, Any]],
    ignore: Ignore,
) -> tuple[list[AnyCheck], set[tuple[str, str]]]:
    """Build some kinds of checks by id (all of them for None), but for those ignored; see :func:`build_checks`."""
    by_id = {kind.id: kind for kind in kinds}
    left_out = {item for item in ignore if isinstance(item, str)}
    pairs = {(item[0], item[1]) for item in ignore if not isinstance(item, str)}
    for name in sorted({*left_out, *(pair[0] for pair in pairs), *config, *(chosen or ())}):
        if name not in by_id:
            near = difflib.get_close_matches(name, by_id, n=3, cutoff=0.4) or list(by_id)
            raise ParameterError(f"there is no check {name!r}; there is {', '.join(near)}", code="sanity.unknown_check")
    thresholds = {name: _thresholds(by_id[name], values) for name, values in config.items()}
    taken = [kind for kind in kinds if (chosen is None or kind.id in chosen) and kind.id not in left_out]
    return [kind(**thresholds.get(kind.id, {})) for kind in taken], pairs


def _thresholds(kind: type[AnyCheck], values: Mapping[str, Any]) -> dict[str, float]:
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
