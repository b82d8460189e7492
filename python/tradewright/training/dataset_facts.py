"""The rows of a training as MLflow's dataset inputs."""

from __future__ import annotations

import hashlib
from typing import Any

from tradewright.base import Samples
from tradewright.tracking.column_types import column_type
from tradewright.training.data import TrainingData
from tradewright.training.resuming import rows_digests

__all__ = ["dataset_inputs"]

#: The schema of a data set may have a megabyte; nobody reads more columns than these.
MOST_COLUMNS = 2_000


def dataset_inputs(data: TrainingData) -> list[dict[str, Any]]:
    """Return the keywords of ``TrackingRun.log_dataset``, one set for each data set.

    A panel is one data set, whose digest is its fingerprint: the very one that the plan, the sanity report and the bundle
    name. Of plain tables the train and the validation rows are one each, with digests of features, labels and weights;
    that takes one pass over them.
    """
    fingerprint = data.facts.get("data_fingerprint")
    if fingerprint is not None:
        # Of the panel alone: the store keeps one data set for all runs that read it, whichever their fold.
        profile: dict[str, Any] = {"num_rows": data.geometry.get("n_rows", len(data.train)), "target": data.target}
        first, last = data.geometry.get("time", data.facts["time_range"])
        return [_input("panel", fingerprint, data.train, profile | {"from": first, "to": last}, "training")]
    parts = {"train": (data.train, "training"), "val": (data.val, "validation")}
    return [
        _input(f"{part} rows", _short(digest), samples, {"num_rows": len(samples)}, context)
        for part, digest in rows_digests(data).items()
        for samples, context in [parts[part]]
        if samples is not None
    ]


def _input(name: str, digest: str, samples: Samples, profile: dict[str, Any], context: str) -> dict[str, Any]:
    columns = list(zip(samples.feature_names, samples.feature_dtypes, strict=True))
    if len(columns) > MOST_COLUMNS:
        profile = profile | {"columns_not_listed": len(columns) - MOST_COLUMNS}
    listed = [{"name": name, "type": column_type(dtype), "required": True} for name, dtype in columns[:MOST_COLUMNS]]
    return {
        "name": name,
        "digest": digest,
        "schema": {"mlflow_colspec": listed},
        "profile": profile | {"num_features": len(columns)},
        "source": {"fingerprint": digest},
        "context": context,
    }


def _short(digest: str) -> str:
    """Return a digest that MLflow takes, 36 characters at most; that of rows with their past is longer."""
    return digest if len(digest) <= 36 else hashlib.blake2b(digest.encode(), digest_size=16).hexdigest()
