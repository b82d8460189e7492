"""What a trained model knows of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

__all__ = ["ModelMetadata", "Task"]

Task = Literal["regression", "classification"]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """The facts of one fit; travels with the model into its bundle and its tracking run.

    Parameters
    ----------
    model_class, framework : str
        The wrapper (``"SklearnModel"``) and the library behind it (``"sklearn"``).
    task : {"regression", "classification"}
        What is predicted.
    hyperparameters : mapping
        The parameters of the fit, as plain JSON values.
    feature_names, feature_dtypes : tuple of str
        The columns in the order the model sees them.
    categories : mapping of str to list
        The categories of categorical features; the model sees the place of each.
    classes : tuple or None
        The classes of a classifier, in the order of the columns of ``predict_proba``.
    n_rows, n_val_rows : int
        Rows trained on, and rows watched for early stopping.
    n_short_windows : int
        Train rows that were left out because the model reads more earlier rows of their asset than there are; ``n_rows``
        does not count them.
    time_range : tuple of str or None
        First and last time of the train rows (ISO 8601, or bar numbers as text).
    training_seconds : float
        Wall time of the fit.
    best_iteration : int or None
        The epoch or round the model was cut back to (from 0), where it was.
    library_versions : mapping
        Versions of Python, tradewright and the libraries that took part.
    peak_memory : int or None
        The most bytes of the device's memory the fit had in use, where the device counts them.
    seed, device, git_sha, created_at
        Where and with what randomness the fit ran; ``created_at`` is UTC, ISO 8601.
    data_fingerprint, plan_digest, report_digest : str or None
        The digests of the panel, the plan and the sanity report, when the trainer stamped them.
    fold : int or None
        The fold of the plan that was trained on.
    train_ranges, purged_ranges : tuple of (start, stop)
        Half-open row ranges of the panel, in time order, that were trained on and that were purged or embargoed.
    target : str or None
        What the labels are called.
    splitter : mapping or None
        The configuration of the plan's splitter, from which the plan can be made again.
    environment : mapping
        Python, system, processor and threads of the fit.
    evidence : mapping or None
        Digests of the panel's columns and blocks of rows: what :func:`tradewright.verify` compares.
    trained : mapping or None
        What tells later whether a row was trained on.
    predictions : mapping or None
        Digests of the predictions the model was scored on: :func:`tradewright.stamp_predictions`.
    """

    model_class: str
    framework: str
    task: Task
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()
    feature_dtypes: tuple[str, ...] = ()
    categories: Mapping[str, list[Any]] = field(default_factory=dict)
    classes: tuple[Any, ...] | None = None
    n_rows: int = 0
    n_val_rows: int = 0
    n_short_windows: int = 0
    time_range: tuple[str, str] | None = None
    training_seconds: float = 0.0
    best_iteration: int | None = None
    library_versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    device: str = "cpu"
    peak_memory: int | None = None
    git_sha: str | None = None
    created_at: str = ""
    data_fingerprint: str | None = None
    plan_digest: str | None = None
    report_digest: str | None = None
    fold: int | None = None
    train_ranges: tuple[tuple[int, int], ...] = ()
    purged_ranges: tuple[tuple[int, int], ...] = ()
    target: str | None = None
    splitter: Mapping[str, Any] | None = None
    # For machines: hashes by the kilobyte.
    environment: Mapping[str, Any] = field(default_factory=dict, repr=False)
    evidence: Mapping[str, Any] | None = field(default=None, repr=False)
    trained: Mapping[str, Any] | None = field(default=None, repr=False)
    predictions: Mapping[str, Any] | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelMetadata:
        """Build from :meth:`to_dict`; unknown keys of a newer version are ignored."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: _frozen(value) for name, value in values.items() if name in known})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    # numpy scalars are not JSON
    return value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
