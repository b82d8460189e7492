"""Backtest paths: the predictions of combinatorial splits, put together to run over all of the data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright import _core
from tradewright.errors import DataError, SplitError, UnsupportedError

if TYPE_CHECKING:
    from tradewright.splitting.plan import SplitPlan

__all__ = ["assemble", "paths_of"]


def paths_of(plan: SplitPlan) -> NDArray[np.int64]:
    """Which split each path takes each group from; see :attr:`SplitPlan.paths`."""
    groups, tested = plan.splitter.get("n_groups"), plan.splitter.get("n_test_groups")
    if groups is None or tested is None:
        raise UnsupportedError(
            f"{plan.splitter.get('splitter', 'this plan')} tests no group more than once, so there are no paths: use "
            "CombinatorialPurgedCV",
            code="plan.paths",
        )
    paths = _core.combinatorial_paths(groups, tested)
    missing = np.setdiff1d(paths, plan.table.layout)
    if len(missing):
        listed = ", ".join(map(str, missing[:5].tolist())) + (" …" if len(missing) > 5 else "")
        raise SplitError(
            f"{len(missing)} splits were left out (on_empty='skip'): {listed}; paths need all of them. Use fewer groups, "
            "a shorter embargo, or on_empty='keep'",
            code="plan.paths",
            missing=missing.tolist(),
        )
    return paths


def assemble(plan: SplitPlan, predictions: Sequence[Any]) -> NDArray[Any]:
    """Put predictions together, path by path; see :meth:`SplitPlan.assemble_paths`."""
    paths = paths_of(plan)
    if len(predictions) != len(plan):
        raise DataError(
            f"there are {len(plan)} splits and predictions of {len(predictions)}: pass one array per split, in the order "
            "of the plan",
            code="data.length_mismatch",
            got=len(predictions),
            expected=len(plan),
        )
    arrays = [np.asarray(values) for values in predictions]
    for number, (fold, values) in enumerate(zip(plan.folds, arrays, strict=True)):
        if not values.ndim or len(values) != len(fold.test) or values.shape[1:] != arrays[0].shape[1:]:
            raise DataError(
                f"split {number}: predictions of shape {values.shape} for {len(fold.test):,} test rows; pass one value "
                "(or row of values) per test row, in ascending order of the rows, as model.predict(X[fold.test]) gives",
                code="data.length_mismatch",
                fold=number,
                got=values.shape,
                expected=len(fold.test),
            )
    tail = arrays[0].shape[1:]
    out = np.empty((len(paths), plan.n_rows, *tail), dtype=np.result_type(*arrays))
    scattered = np.empty((plan.n_rows, *tail), dtype=out.dtype)
    groups = _group_rows(plan)
    for number, (fold, values) in enumerate(zip(plan.folds, arrays, strict=True)):
        scattered[fold.test.indices()] = values
        for path, group in np.argwhere(paths == number).tolist():
            out[path, groups[group]] = scattered[groups[group]]
    return out


def _group_rows(plan: SplitPlan) -> list[Any]:
    """The caller's rows of each group, as slices or positions.

    Every border of a group is a border of some test block, since some split tests the group and not its neighbour.
    """
    tests = plan.table.segments[plan.table.segments[:, 1] == 2, 2:]
    borders = np.unique(tests).tolist()
    spans = [slice(start, stop) for start, stop in itertools.pairwise(borders)]
    return spans if plan.order is None else [plan.order[span] for span in spans]
