"""What MLflow accepts: names, lengths, batch sizes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

__all__ = [
    "METRICS_PER_CALL",
    "PARAMS_PER_CALL",
    "batches",
    "clean_key",
    "clean_metrics",
    "clean_params",
    "clean_tags",
    "flatten",
]

METRICS_PER_CALL = 1000
PARAMS_PER_CALL = 100
KEY_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 5000

_FOREIGN = re.compile(r"[^A-Za-z0-9_\-. /:]")

T = TypeVar("T")


def clean_key(key: str) -> str:
    """Return a key MLflow takes: other signs become ``_``, and it is cut to 250 characters.

    Examples
    --------
    >>> clean_key("val_f1@10%")
    'val_f1_10_'
    """
    # A leading slash or a ".." would be read as a path.
    cleaned = _FOREIGN.sub("_", key).replace("..", "__").strip("/ ") or "_"
    return cleaned[:KEY_LENGTH]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dotted keys.

    Examples
    --------
    >>> flatten({"optimizer": {"name": "adam", "lr": 0.1}, "layers": [64, 32]})
    {'optimizer.name': 'adam', 'optimizer.lr': 0.1, 'layers': [64, 32]}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def clean_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Return params as MLflow takes them: long values end in ``…``, keys that fall together are numbered."""
    cleaned: dict[str, str] = {}
    for key, value in flatten(params).items():
        name, n = clean_key(key), 1
        while name in cleaned:
            n += 1
            name = f"{clean_key(key)[: KEY_LENGTH - 8]}_{n}"
        cleaned[name] = _cut(_text(value), PARAM_LENGTH)
    return cleaned


def clean_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Return tags as MLflow takes them, without those that are None."""
    return {clean_key(key): _cut(_text(value), TAG_LENGTH) for key, value in tags.items() if value is not None}


def clean_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics with keys MLflow takes. Infinite values are left out: the store would change them silently."""
    values = {clean_key(key): float(value) for key, value in metrics.items()}
    return {key: value for key, value in values.items() if value not in (float("inf"), float("-inf"))}


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield slices of at most ``size`` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=str)
    return str(value)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
