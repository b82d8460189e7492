"""A training between two turns, in one file: the model's bundle with what a resumed training needs beside it.

The file is a bundle like any other and :func:`tradewright.load_model` reads the model from it. Beside the model's
payloads it holds ``training.json`` (turns, history, seed, callbacks), ``training.model.NAME`` (what the model's
``_training_state`` returned) and ``training.callback.N.KEY`` (values of a callback's ``state_dict`` that are bytes).
None of it is pickle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from tradewright.base import BaseModel, Resume
from tradewright.bundle import Bundle, read_bundle, write_bundle
from tradewright.errors import CallbackError, IntegrityError, ResumeError

__all__ = ["CallbackState", "Checkpoint", "Progress", "read_checkpoint", "write_checkpoint"]

_RECORD = "training.json"
_MODEL = "training.model."
_CALLBACK = "training.callback."


@dataclass(frozen=True, eq=False)
class CallbackState:
    """What one callback knew.

    Parameters
    ----------
    name : str
        The callback's class.
    state : mapping of str to plain value or bytes
        Its ``state_dict``.
    """

    name: str
    state: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a training has come.

    Parameters
    ----------
    turns : int
        Turns done.
    batches : int
        Batches done of the next turn; 0 between two turns.
    seed : int
        The seed of the training.
    segment : int or None
        The rounds a booster was trained at a stretch.
    seconds : float
        Training time so far.
    rows : mapping of str to str
        Digests of the ``train`` and ``val`` rows.
    history : sequence of mappings
        The logs of the turns done.
    """

    turns: int
    batches: int
    seed: int
    segment: int | None
    seconds: float
    rows: Mapping[str, str] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A verified checkpoint.

    Parameters
    ----------
    path : Path
        Its file.
    manifest : mapping
        Of the model's bundle: class, config, metadata.
    progress : Progress
        How far the training had come.
    callbacks : tuple of CallbackState
        Its callbacks, in their order.
    resume : Resume
        Where the model goes on.
    """

    path: Path
    manifest: Mapping[str, Any]
    progress: Progress
    callbacks: tuple[CallbackState, ...]
    resume: Resume


def write_checkpoint(path: Path, model: BaseModel, progress: Progress, callbacks: Sequence[CallbackState]) -> None:
    """Write the model as it is now, with its training; atomically.

    Raises
    ------
    CallbackError
        When a callback's ``state_dict`` is neither plain values nor bytes.
    """
    payload_format, payloads = model._to_payloads()
    extra = {f"{_MODEL}{name}": data for name, data in model._training_state().items()}
    states = []
    for number, callback in enumerate(callbacks):
        binary = {key: value for key, value in callback.state.items() if isinstance(value, bytes)}
        extra |= {f"{_CALLBACK}{number}.{key}": data for key, data in binary.items()}
        plain = {key: value for key, value in callback.state.items() if key not in binary}
        _check_plain(callback.name, plain)
        states.append({"class": callback.name, "state": plain, "bytes": sorted(binary)})
    record = {**vars(progress), "callbacks": states}
    extra[_RECORD] = json.dumps(record, default=_plain).encode()
    manifest = model.manifest(payload_format) | {"checkpoint": {"turns": progress.turns, "batches": progress.batches}}
    write_bundle(path, manifest, payloads | extra)


def read_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Read a checkpoint; every digest is verified first.

    Raises
    ------
    ResumeError
        When the bundle holds a model only.
    ModelLoadError
        When the file is missing, damaged or no bundle; see its subclasses.
    """
    bundle = read_bundle(path)
    if _RECORD not in bundle.payloads:
        raise ResumeError(
            f"{path} holds a model, but no training to go on with: resume from a file that ModelCheckpoint wrote",
            code="train.resume_no_training",
            path=str(path),
        )
    try:
        return _parse(Path(path), bundle)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(
            f"{path} is whole, but what it says of its training cannot be read ({type(error).__name__}: {error}): resume"
            " from another checkpoint",
            code="bundle.training",
            path=str(path),
        ) from error


def _parse(path: Path, bundle: Bundle) -> Checkpoint:
    record = json.loads(bundle.payloads[_RECORD])
    states = record.pop("callbacks")
    progress = Progress(**record)
    callbacks = tuple(
        CallbackState(
            str(item["class"]),
            {**item["state"], **{key: bundle.payloads[f"{_CALLBACK}{number}.{key}"] for key in item["bytes"]}},
        )
        for number, item in enumerate(states)
    )
    payloads = bundle.payloads
    resume = Resume(
        epoch=int(progress.turns),
        payload_format=str(bundle.manifest["payload_format"]),
        payloads={name: data for name, data in payloads.items() if not name.startswith("training.")},
        state={name.removeprefix(_MODEL): data for name, data in payloads.items() if name.startswith(_MODEL)},
        config=dict(bundle.manifest["config"]),
    )
    return Checkpoint(path, bundle.manifest, progress, callbacks, resume)


def _check_plain(name: str, state: Mapping[str, Any]) -> None:
    for key, value in state.items():
        try:
            json.dumps(value, default=_plain)
        except (TypeError, ValueError) as error:
            raise CallbackError(
                f"{name}.state_dict()[{key!r}] cannot be written ({error}): return numbers, text, lists, mappings of"
                " them, or bytes",
                code="callback.state",
                key=key,
            ) from error


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's; what else JSON does not know is refused."""
    if hasattr(value, "item") and hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0:
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no plain value")
