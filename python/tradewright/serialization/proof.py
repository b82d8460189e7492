"""Prove from a bundle what its model was trained and scored on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tradewright.base import BaseModel, ModelMetadata
from tradewright.base.rebuild import known_facts
from tradewright.bundle import Bundle, read_bundle
from tradewright.errors import DataError, FormatMismatchError, ParameterError, TradewrightError
from tradewright.panel import Panel
from tradewright.panel.evidence import (
    DataDifference,
    block_digests,
    compare_data,
    differing_blocks,
    listed,
)
from tradewright.serialization.serializer import ModelSerializer

if TYPE_CHECKING:
    from tradewright.sanity_checks import SanityReport
    from tradewright.splitting import SplitPlan

__all__ = ["Proof", "Verification", "stamp_predictions", "verify"]

Verdict = Literal["holds", "differs", "not checked"]


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was, or could not be, proven.

    Parameters
    ----------
    name : {"signature", "data", "plan", "report", "predictions"}
        What it is about.
    verdict : {"holds", "differs", "not checked"}
        How it came out.
    message : str
        What was found; for what was not checked, why not and what to do.
    columns : tuple of str
        The columns that differ, by role and name.
    rows : tuple of (start, stop)
        Half-open row ranges in which all differences lie, where that is known.
    """

    name: str
    verdict: Verdict
    message: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """What :func:`verify` found; true when nothing differs and the data was proven.

    Parameters
    ----------
    path : Path
        The bundle.
    proofs : tuple of Proof
        In the order in which they build on each other.
    columns : mapping of str to bool
        For each column of the training, whether it is still the same.
    """

    path: Path
    proofs: tuple[Proof, ...]
    columns: Mapping[str, bool] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the data holds and nothing else differs; what was not checked does not count against it."""
        return self["data"].verdict == "holds" and all(proof.verdict != "differs" for proof in self.proofs)

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, name: str) -> Proof:
        for proof in self.proofs:
            if proof.name == name:
                return proof
        raise KeyError(name)

    def __str__(self) -> str:
        marks = {"holds": "ok", "differs": "DIFFERS", "not checked": "-"}
        width = max(len(proof.name) for proof in self.proofs)
        lines = [f"{self.path.name}: {'proven' if self.ok else 'NOT proven'}"]
        lines += [f"  {marks[proof.verdict]:<7}  {proof.name:<{width}}  {proof.message}" for proof in self.proofs]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "path": str(self.path),
            "ok": self.ok,
            "proofs": [asdict(proof) for proof in self.proofs],
            "columns": dict(self.columns),
        }


def stamp_predictions(
    model: BaseModel, predictions: ArrayLike, rows: Any = None, *, by: Literal["model", "folds"] = "model"
) -> None:
    """Keep digests of the predictions that a model was scored on; they are saved with it and :func:`verify` reads them.

    Parameters
    ----------
    model : BaseModel
        A fitted model, whose metadata takes the digests.
    predictions : array-like, shape (n_rows,) or (n_rows, n_classes)
        What was scored, to the bit.
    rows : Rows or index array, optional
        The rows of the panel they are of, ascending; by default all.
    by : {"model", "folds"}
        Whether this very model made them, so that :func:`verify` can make them again, or the models of other folds did
        (out-of-fold predictions of a cross-validation).

    Examples
    --------
    >>> from tradewright import ModelRegistry
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> model = ModelRegistry.create("ridge").fit(X[:4], X[:4, 0])
    >>> stamp_predictions(model, model.predict(X[4:]), rows=[4, 5])
    >>> model.metadata.predictions["n_rows"]
    2
    """
    if by not in ("model", "folds"):
        raise ParameterError(f"by={by!r}: pass 'model' or 'folds'", code="verify.by")
    values = np.asarray(predictions)
    ranges = None if rows is None else _as_ranges(rows)
    if ranges is not None and sum(stop - start for start, stop in ranges) != len(values):
        raise DataError(
            f"there are {len(values):,} predictions for {sum(stop - start for start, stop in ranges):,} rows: pass one a"
            " row",
            code="verify.predictions",
        )
    kind = "labels" if values.ndim == 1 else "probabilities"
    model.stamp(predictions={"by": by, "kind": kind, "rows": ranges, **block_digests(values)})


def verify(
    path: str | PathLike[str],
    panel: Panel,
    *,
    plan: SplitPlan | None = None,
    report: SanityReport | None = None,
    predictions: ArrayLike | None = None,
    trusted_keys: Iterable[Any] | None = None,
    trusted: bool = False,
) -> Verification:
    """Compare a bundle with the data, the plan, the report and the predictions it is said to come from.

    Parameters
    ----------
    path : path-like
        A bundle whose model was trained on a Panel.
    panel : Panel
        All rows of the data, as the trainer was given them.
    plan : SplitPlan, optional
        By default the plan is made again from the splitter that the bundle names.
    report : SanityReport, optional
        The report of the checks before the training; without it its digest is shown, and not checked.
    predictions : array-like, optional
        The predictions that were scored. By default those of the model itself are made again, which loads it.
    trusted_keys : iterable of keys, optional
        The bundle must be signed by one of these; see :func:`tradewright.load_model`.
    trusted : bool
        Whether code from the file may be run to make its predictions again, which formats of the pickle kind need.

    Returns
    -------
    Verification
        True when the data holds and nothing differs. A difference is told with its columns and, where only values
        changed, with the block of rows it lies in: at most 1/256 of the rows, at least 64 of them.

    Raises
    ------
    ModelLoadError
        When the file is damaged, no bundle, or not signed as asked.

    Notes
    -----
    Two passes over the data, and one prediction where there are predictions to make again. What is proven is that data
    and bundle belong together, not that nobody made both: see the page on the bundle format.
    """
    path = Path(path)
    bundle = read_bundle(path, trusted_keys=trusted_keys)
    metadata = bundle.manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        raise FormatMismatchError(f"{path} is a bundle, but of no model", code="bundle.no_model", path=str(path))
    facts = known_facts(metadata)
    data, columns = _data(facts, panel)
    made = plan if plan is not None else _plan_again(facts, panel, data.verdict)
    proofs = (
        _signature(bundle),
        data,
        _plan(facts, made),
        _report(facts, report),
        _predictions(facts, panel, predictions, path, data.verdict, trusted=trusted),
    )
    return Verification(path, proofs, columns)


def _signature(bundle: Bundle) -> Proof:
    if bundle.signer is not None:
        return Proof("signature", "holds", f"signed with the key {bundle.signer}")
    if "signature" in bundle.manifest:
        return Proof("signature", "not checked", "it is signed; to check that, pip install 'tradewright[signing]'")
    return Proof("signature", "not checked", "not signed: that the file is whole does not say who wrote it")


def _data(facts: ModelMetadata, panel: Panel) -> tuple[Proof, dict[str, bool]]:
    if facts.data_fingerprint is None:
        return Proof("data", "not checked", "the model was not trained on a Panel, so the bundle knows no data"), {}
    if facts.evidence is None:  # an older bundle knows the fingerprint alone
        same = _fresh_fingerprint(panel) == facts.data_fingerprint
        told = (
            f"fingerprint {facts.data_fingerprint}"
            if same
            else "the fingerprint is another; the bundle is too old to say where"
        )
        return Proof("data", "holds" if same else "differs", told), {}
    difference = compare_data(facts.evidence, panel)
    columns = {name: name not in (*difference.changed, *difference.missing) for name in facts.evidence["columns"]}
    if not difference:
        told = f"{len(panel):,} rows, {len(columns)} columns, fingerprint {facts.data_fingerprint}"
        return Proof("data", "holds", told), columns
    of_columns = (*difference.changed, *difference.missing, *difference.added)
    return Proof("data", "differs", _told(difference), of_columns, difference.rows), columns


def _fresh_fingerprint(panel: Panel) -> str:
    from tradewright.panel.fingerprint import panel_fingerprint

    return panel_fingerprint(panel)


def _told(difference: DataDifference) -> str:
    was, now = difference.n_rows
    parts = []
    if was != now:
        parts.append(f"{was:,} rows were trained from, these are {now:,}")
    for names, verb in ((difference.missing, "missing"), (difference.added, "new")):
        if names:
            parts.append(f"{verb}: {listed(names)}")
    if difference.changed and was == now:
        where = _rows_told(difference.rows)
        parts.append(f"changed: {listed(difference.changed)}{where}")
    return "; ".join(parts)


def _rows_told(rows: tuple[tuple[int, int], ...]) -> str:
    if not rows:
        return ""
    told = ", ".join(f"{start:,} to {stop - 1:,}" for start, stop in rows[:5])
    more = f" and {len(rows) - 5} more stretches" if len(rows) > 5 else ""
    return f", within rows {told}{more}"


def _plan_again(facts: ModelMetadata, panel: Panel, data: Verdict) -> SplitPlan | TradewrightError | str:
    """Return the plan, or why there is none."""
    if facts.plan_digest is None:
        return "the model was trained without a plan"
    if facts.splitter is None:
        return "the bundle does not name the splitter: pass plan="
    if data != "holds":
        return "the data differs, and so would the plan made from it: pass plan="
    from tradewright.splitting.base import BaseSplitter  # which loads polars

    try:
        return BaseSplitter.from_dict(dict(facts.splitter)).plan(panel)
    except TradewrightError as error:
        return error


def _plan(facts: ModelMetadata, plan: SplitPlan | TradewrightError | str) -> Proof:
    if isinstance(plan, str):
        return Proof("plan", "not checked", plan)
    if isinstance(plan, TradewrightError):
        return Proof("plan", "differs", f"the bundle's splitter makes no plan of these rows: {plan}")
    if facts.plan_digest is None:
        return Proof("plan", "differs", "the model was trained without a plan, and one was passed")
    if plan.digest != facts.plan_digest:
        return Proof("plan", "differs", f"digest {plan.digest}, the model was trained on {facts.plan_digest}")
    fold = facts.fold
    if fold is None or not 0 <= fold < len(plan):
        return Proof("plan", "differs", f"the plan has {len(plan)} folds, the bundle names fold {fold}")
    train = tuple((int(start), int(stop)) for start, stop in plan[fold].train.ranges)
    if train != facts.train_ranges:
        return Proof("plan", "differs", f"the bundle's train rows are not those of fold {fold}", rows=train)
    count = sum(stop - start for start, stop in train)
    return Proof("plan", "holds", f"fold {fold} of {len(plan)}: {count:,} train rows, digest {plan.digest}")


def _report(facts: ModelMetadata, report: SanityReport | None) -> Proof:
    if facts.report_digest is None:
        told = "the model was trained without a sanity report"
        return Proof("report", "not checked" if report is None else "differs", told)
    if report is None:
        return Proof("report", "not checked", f"digest {facts.report_digest}: pass report= to compare")
    if report.digest != facts.report_digest:
        return Proof("report", "differs", f"digest {report.digest}, the model was trained on {facts.report_digest}")
    return Proof("report", "holds", f"{len(report.findings)} findings, digest {report.digest}")


def _predictions(
    facts: ModelMetadata, panel: Panel, given: ArrayLike | None, path: Path, data: Verdict, *, trusted: bool
) -> Proof:
    kept = facts.predictions
    if kept is None:
        told = "none were stamped: tradewright.stamp_predictions(model, predictions, rows) before saving"
        return Proof("predictions", "not checked", told)
    whose = "the model's" if kept["by"] == "model" else "out-of-fold"
    if given is not None:
        values = np.asarray(given)
    elif kept["by"] != "model":
        return Proof("predictions", "not checked", "they are of other folds' models: pass predictions= to compare")
    elif data != "holds":
        return Proof("predictions", "not checked", "the data differs, and so would predictions made from it")
    else:
        try:
            values = _predict_again(path, panel, kept, trusted=trusted)
        except TradewrightError as error:
            return Proof("predictions", "not checked", f"they cannot be made again: {error}")
    now = block_digests(values)
    if now["digest"] == kept["digest"]:
        return Proof("predictions", "holds", f"{whose} {now['n_rows']:,} predictions, equal in every bit")
    if now["n_rows"] != kept["n_rows"]:
        return Proof("predictions", "differs", f"{kept['n_rows']:,} were scored, these are {now['n_rows']:,}")
    blocks = differing_blocks(kept, now, now["n_rows"])
    where = _rows_told(blocks).replace("within rows", "among the predictions")
    told = f"not the {now['n_rows']:,} that were scored{where}"
    if given is None:
        told += "; other library versions or another processor can change last bits"
    return Proof("predictions", "differs", told, rows=blocks)


def _predict_again(path: Path, panel: Panel, kept: Mapping[str, Any], *, trusted: bool) -> NDArray[Any]:
    model = ModelSerializer.load(path, trusted=trusted)
    model.warns_of_trained_rows = False  # that is what is being looked at
    rows = None
    if kept["rows"] is not None:
        rows = np.concatenate([np.arange(start, stop) for start, stop in kept["rows"]] or [np.zeros(0, np.int64)])
    predict = model.predict if kept["kind"] == "labels" else model.predict_proba
    made: NDArray[Any] = predict(panel, rows=rows)
    return made


def _as_ranges(rows: Any) -> list[list[int]]:
    """Ascending positions of the caller's rows as half-open ranges."""
    positions = np.asarray(rows.indices() if hasattr(rows, "indices") else rows)
    if positions.dtype == np.bool_:
        positions = np.flatnonzero(positions)
    if positions.ndim != 1 or (
        len(positions) and (positions.dtype.kind not in "iu" or (np.diff(positions) <= 0).any())
    ):
        raise ParameterError("rows must be ascending positions, a mask, or the Rows of a fold", code="verify.rows")
    if not len(positions):
        return []
    cuts = np.flatnonzero(np.diff(positions) > 1) + 1
    starts, stops = positions[np.r_[0, cuts]], positions[np.r_[cuts - 1, len(positions) - 1]] + 1
    return [[int(start), int(stop)] for start, stop in zip(starts, stops, strict=True)]
