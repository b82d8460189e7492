"""Going on with a broken-off training: is it this one, and what should its reader know."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewright.base import BaseModel, Samples
from tradewright.base.history import History
from tradewright.errors import ResumeError
from tradewright.panel import Panel
from tradewright.panel.fingerprint import rows_fingerprint
from tradewright.training.checkpoint_file import Checkpoint
from tradewright.training.data import TrainingData

__all__ = ["check_resume", "resume_notes", "rows_digests"]


def rows_digests(data: TrainingData) -> dict[str, str]:
    """Return a digest of the train rows and one of the validation rows: features, labels, weights."""
    parts = {"train": data.train, "val": data.val}
    return {name: _digest(samples) for name, samples in parts.items() if samples is not None}


def _digest(samples: Samples) -> str:
    history = samples.history
    if history is None:
        columns, past = {name: samples.X[:, j] for j, name in enumerate(samples.feature_names)}, ""
    else:
        columns, past = {"": history.rows}, "-" + rows_fingerprint(_known(history), None)
    y = samples.y
    if y is not None and y.dtype.kind not in "fiub":
        # Names of classes: equal labels get equal numbers, in the order in which they first appear.
        known: dict[Any, int] = {}
        y = np.array([known.setdefault(label, len(known)) for label in y.tolist()], dtype=np.int64)
    return rows_fingerprint(columns, y, weight=samples.sample_weight) + past


def _known(history: History) -> dict[str, NDArray[Any]]:
    """Return views of all rows a model may read, those of the past too."""
    table, names = history.table, history.feature_names
    columns = {name: table.columns[name] if isinstance(table, Panel) else table[:, j] for j, name in enumerate(names)}
    keys = {" time": np.asarray(history.time), " asset": history.asset}
    return columns | {name: key for name, key in keys.items() if key is not None and key.dtype.kind in "iufb"}


def check_resume(checkpoint: Checkpoint, model: BaseModel, data: TrainingData, seed: int | None) -> None:
    """Refuse a checkpoint of another training.

    Parameters
    ----------
    seed : int or None
        The seed this training was given; None takes the checkpoint's.

    Raises
    ------
    ResumeError
        Names what differs: the model, its parameters, the features, the rows, the seed.
    """
    where = checkpoint.path
    of_class = checkpoint.manifest["model_class"]
    if of_class != type(model).__name__:
        raise _other(where, f"its model is a {of_class}, this one a {type(model).__name__}", "model")
    facts = checkpoint.manifest["metadata"]
    changed = _changed(facts["hyperparameters"], model.hyperparameters, model._length_parameters)
    if changed:
        named = "; ".join(f"{name} was {was}, is {now}" for name, was, now in changed[:5])
        raise _other(where, f"the parameters differ: {named}{' …' if len(changed) > 5 else ''}", "hyperparameters")
    names = tuple(facts["feature_names"])
    if names != data.train.feature_names:
        differing = [
            name
            for name in (*names, *data.train.feature_names)
            if (name in names) != (name in data.train.feature_names)
        ]
        what = f"these differ: {', '.join(differing[:10])}" if differing else "they come in another order"
        raise _other(where, f"its features are not those of this training, {what}", "features")
    if seed is not None and seed != checkpoint.progress.seed:
        raise _other(where, f"its seed is {checkpoint.progress.seed}, this one {seed}", "seed")
    found = rows_digests(data)
    for part, what in (("train", "train"), ("val", "validation")):
        if checkpoint.progress.rows.get(part) != found.get(part):
            raise _other(where, f"the {what} rows are not the ones it was trained with", f"{part}_rows")


def _other(where: Any, what: str, which: str) -> ResumeError:
    return ResumeError(
        f"{where} is a checkpoint of another training: {what}. Train as it was trained, or leave resume_from out",
        code=f"train.resume_{which}",
        path=str(where),
    )


def _changed(was: Mapping[str, Any], now: Mapping[str, Any], may: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return what differs between two sets of parameters, as JSON text, which knows no NaN that differs from itself."""
    old = {name: json.dumps(value, sort_keys=True) for name, value in was.items()}
    new = {name: json.dumps(_plain(value), sort_keys=True) for name, value in now.items()}
    names = sorted((old.keys() | new.keys()) - set(may))
    return [
        (name, old.get(name, "not there"), new.get(name, "not there"))
        for name in names
        if old.get(name) != new.get(name)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value


def resume_notes(checkpoint: Checkpoint, model: BaseModel, segment: int | None) -> list[str]:
    """Return what a reader of the result should know of its first part."""
    progress = checkpoint.progress
    notes = [f"resumed from epoch {progress.turns} ({checkpoint.path.name})"]
    kept = segment if segment == progress.segment else None
    if progress.batches:
        notes.append(
            f"resumed, not bit-exact: the checkpoint is of batch {progress.batches} of an epoch, which began anew"
        )
    elif not model._resumes_exactly(kept):
        notes.append("resumed, not bit-exact")
    old = checkpoint.manifest["metadata"]["hyperparameters"]
    notes += [
        f"resumed with {name}={now}, begun with {name}={was}"
        for name, was, now in _changed(
            {name: old[name] for name in model._length_parameters if name in old},
            {name: value for name, value in model.hyperparameters.items() if name in model._length_parameters},
            (),
        )
    ]
    return notes
