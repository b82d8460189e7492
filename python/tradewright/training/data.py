"""The rows of a training, from either form of ``train``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.base import Samples
from tradewright.base.checks import check_rows
from tradewright.base.data_facts import proof_of
from tradewright.base.metadata import Task
from tradewright.base.samples import FloatDtype
from tradewright.errors import DataError, ParameterError
from tradewright.panel import Panel
from tradewright.training.fold_facts import fold_facts

if TYPE_CHECKING:
    from tradewright.splitting import Fold

__all__ = ["TrainingData", "refuse_mixed_forms"]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Train and validation rows with what is known of their times.

    Parameters
    ----------
    train, val : Samples, Samples or None
        The rows.
    tables : callable
        Returns what the checks read: train and validation rows with their names, as panels, frames or matrices. Made
        when asked for: of a panel they may be copies that need not be held while the model is fitted.
    times : mapping of str to ndarray
        ``time_train``, ``time_val``, ``label_end_train``, ``label_end_val``: those given beside the tables.
    facts : mapping
        What the model's metadata should say of the rows: fingerprint, plan digest, fold, ranges.
    proof : mapping
        What else the metadata keeps, for machines: digests by column and block, the splitter.
    closed : {"both", "left"}
        Whether labels that only touch overlap, as the fold's plan has it; ``purge_scope`` likewise.
    rows : tuple
        Which rows of the panel the train and validation rows are; None for all, or without a panel.
    geometry : mapping
        Where the rows of the fold are, of all roles (:func:`fold_facts`); empty without a fold.
    target : str
        What the labels are called.
    """

    train: Samples
    val: Samples | None
    tables: Callable[[], tuple[Any, Any]]
    times: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)
    closed: Literal["both", "left"] = "both"
    purge_scope: Literal["all", "asset"] = "all"
    rows: tuple[Any, Any] = (None, None)
    geometry: Mapping[str, Any] = field(default_factory=dict)
    target: str = "label"

    def check(self, task: Task) -> None:
        """Refuse labels, weights and features that cannot be trained on, by the panel's rows where there is a fold."""
        check_rows(self.train, "train", task, self.rows[0])
        if self.val is not None:
            check_rows(self.val, "validation", task, self.rows[1])

    @property
    def fold(self) -> int | None:
        """The number of the fold, in the panel form."""
        fold: int | None = self.facts.get("fold")
        return fold

    @classmethod
    def from_panel(
        cls, panel: Panel, fold: Fold | None, dtype: FloatDtype | None, *, history: bool = False
    ) -> TrainingData:
        """Take the rows of a fold; without a fold all of them, and no validation rows.

        With ``history`` the samples keep hold of the panel's other rows too, whose features may be read as the past of
        theirs, and no matrix of features is made.
        """
        if fold is not None and fold.data_fingerprint not in (None, panel.fingerprint):
            raise DataError(
                "the fold's plan was made from other data than this panel: make the plan of the panel you train on",
                code="train.other_data",
                fold=fold.index,
            )
        rows = (None, None) if fold is None else (fold.train, fold.val if len(fold.val) else None)
        train = Samples.collect(panel, rows=rows[0], dtype=dtype, history=history)
        val = None if rows[1] is None else Samples.collect(panel, rows=rows[1], dtype=dtype, history=history)
        times = panel.times if rows[0] is None else rows[0].take(panel.times)
        of_train = (None, None) if fold is None else (fold.train.ranges, fold.train.order)
        proof = proof_of(panel, *of_train)
        facts: dict[str, Any] = {"data_fingerprint": proof.pop("data_fingerprint"), "time_range": _range(times)}
        if fold is not None:
            proof["splitter"] = None if fold.plan is None else fold.plan.splitter
            facts |= {
                "plan_digest": fold.plan_digest,
                "fold": fold.index,
                "train_ranges": _ranges(fold.train),
                "purged_ranges": tuple(sorted(_ranges(fold.purged) + _ranges(fold.embargoed))),
            }
        if fold is None:
            return cls(train, None, lambda: (panel, None), {}, facts, proof, target=panel.target or "label")

        def tables() -> tuple[Panel, Panel | None]:
            return panel.take(rows[0]), None if rows[1] is None else panel.take(rows[1])

        return cls(
            train,
            val,
            tables,
            facts=facts,
            proof=proof,
            closed=fold.closed,
            purge_scope=fold.purge_scope,
            rows=(fold.train, fold.val),
            geometry=fold_facts(panel, fold),
            target=panel.target or "label",
        )

    @classmethod
    def from_arrays(
        cls,
        X_train: Any,
        y_train: ArrayLike | None,
        X_val: Any,
        y_val: ArrayLike | None,
        *,
        dtype: FloatDtype | None,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        assets: ArrayLike | None,
        groups_val: ArrayLike | None = None,
        assets_val: ArrayLike | None = None,
        times: Mapping[str, ArrayLike | None],
        history: bool = False,
        categories: bool = False,
    ) -> TrainingData:
        """Take plain tables."""
        for name, values in {"y_val": y_val, "groups_val": groups_val, "assets_val": assets_val}.items():
            if X_val is None and values is not None:
                raise ParameterError(f"{name} without X_val: pass both, or neither", code="train.arguments")
        if history and X_val is not None:
            raise ParameterError(
                "this model reads the earlier rows of each asset, also for validation: train(panel, fold=...) knows them",
                code="data.no_history",
            )
        train = Samples.collect(
            X_train,
            y_train,
            dtype=dtype,
            sample_weight=sample_weight,
            groups=groups,
            assets=assets,
            history=history,
            categories="learn" if categories else None,
            name="X_train",
        )
        val = None
        if X_val is not None:
            val = Samples.collect(
                X_val,
                y_val,
                expected=train.feature_names,
                categories=train.categories,
                dtype=dtype,
                groups=groups_val,
                assets=assets_val,
                name="X_val",
            )
        known: dict[str, NDArray[Any]] = {}
        for name, values in times.items():
            if values is None:
                continue
            rows = train if name.endswith("_train") else val
            if rows is None:
                raise ParameterError(f"{name} without X_val: pass both, or neither", code="train.arguments")
            known[name] = _per_row(name, values, len(rows))
        facts = {"time_range": _range(known["time_train"])} if "time_train" in known else {}
        tables = _tables(X_train, train, X_val, val)
        return cls(train, val, lambda: tables, known, facts)


def refuse_mixed_forms(X_train: Any, fold: Any, others: Mapping[str, Any]) -> None:
    """Raise when arguments of the two forms of ``train`` are mixed."""
    given = sorted(name for name, value in others.items() if value is not None)
    if isinstance(X_train, Panel):
        if given:
            raise ParameterError(
                f"train(panel, fold=...) takes labels, weights, times and validation rows from the panel and the fold: "
                f"leave out {', '.join(given)}",
                code="train.arguments",
            )
    elif fold is not None:
        raise ParameterError("fold= goes with a Panel: train(panel, fold=plan[i])", code="train.arguments")


def _tables(X_train: Any, train: Samples, X_val: Any, val: Samples | None) -> tuple[Any, Any]:
    """Return the caller's frames, whose names make findings readable, where their columns agree; else the matrices."""
    if (
        train.named
        and not train.categories
        and (val is None or (val.named and set(X_val.columns) == set(X_train.columns)))
    ):
        return X_train, X_val
    if train.history is not None:
        return train.history.table, None  # where the features of such rows are
    return train.X, None if val is None else val.X


def _per_row(name: str, values: ArrayLike, n_rows: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (n_rows,):
        raise DataError(
            f"{name} has shape {array.shape}, its table has {n_rows} rows: pass one value per row",
            code="data.length_mismatch",
            name=name,
        )
    return array


def _range(times: NDArray[Any]) -> tuple[str, str]:
    return str(times.min()), str(times.max())


def _ranges(rows: Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(start), int(stop)) for start, stop in rows.ranges)
