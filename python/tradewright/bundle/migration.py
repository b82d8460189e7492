"""Manifests of earlier versions, brought to the shape of this one.

A file is never rewritten: what is read is changed in memory, one version at a time, after its digests were verified.
A new version of the layout adds a step here, and a file of the version before it to ``tests/data``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tradewright.bundle.layout import VERSION

__all__ = ["migrated"]


def migrated(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest in today's shape; ``format_version`` still says what the file is.

    Examples
    --------
    >>> migrated({"format_version": 1, "metadata": {"n_rows": 5}})["metadata"]
    {'n_rows': 5, 'environment': {}, 'evidence': None, 'predictions': None, 'splitter': None, 'target': None, 'trained': None}
    """
    values = dict(manifest)
    for version in range(int(manifest["format_version"]), VERSION):
        values = _STEPS[version](values)
    return values


def _from_1(manifest: dict[str, Any]) -> dict[str, Any]:
    """Version 2 tells what the data was column by column, and where a model was trained; version 1 didn't know."""
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):  # no model's; whoever reads it has the words for it
        return manifest
    unknown: dict[str, Any] = {"environment": {}} | dict.fromkeys(
        ("evidence", "predictions", "splitter", "target", "trained")
    )
    return manifest | {"metadata": dict(metadata) | {key: unknown[key] for key in unknown if key not in metadata}}


#: Version → what brings a manifest of it to the next.
_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
