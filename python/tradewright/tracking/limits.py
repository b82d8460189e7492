"""What MLflow accepts: names, lengths, sizes of requests."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

__all__ = [
    "ENTITIES_PER_CALL",
    "METRICS_PER_CALL",
    "PARAMS_PER_CALL",
    "PARAM_LENGTH",
    "REQUEST_BYTES",
    "TAGS_PER_CALL",
    "TAG_LENGTH",
    "clean_key",
    "clean_params",
    "clean_tags",
    "cut",
    "flatten",
    "text_of",
    "too_long",
]

METRICS_PER_CALL = 1000
PARAMS_PER_CALL = 100
TAGS_PER_CALL = 100
ENTITIES_PER_CALL = 1000
#: A server refuses a request of more than 1 MB; the rest is room for what surrounds the values.
REQUEST_BYTES = 900_000
KEY_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 8000
DIGEST_LENGTH = 36

# A colon is refused by MLflow on Windows only; a store may be read there.
_FOREIGN = re.compile(r"[^\w\-. /:]")


def clean_key(key: str) -> str:
    """Return a key MLflow takes: other signs become ``_``, and it is cut to 250 characters.

    Examples
    --------
    >>> clean_key("val_f1@10%")
    'val_f1_10_'
    >>> clean_key("../a//b/")
    '__/a/b'
    """
    # A name that a path would be read differently from ("..", "a//b", "./a") is refused.
    cleaned = _FOREIGN.sub("_", key).replace("..", "__").strip("/ ")[:KEY_LENGTH]
    cleaned = posixpath.normpath(cleaned) if cleaned else "_"
    return "_" if cleaned == "." else cleaned


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
    """Return params with keys MLflow takes and values as text, however long; keys that fall together are numbered."""
    cleaned: dict[str, str] = {}
    for key, value in flatten(params).items():
        name, n = clean_key(key), 1
        while name in cleaned:
            n += 1
            name = f"{clean_key(key)[: KEY_LENGTH - 8]}_{n}"
        cleaned[name] = text_of(value)
    return cleaned


def clean_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Return tags with keys MLflow takes and values as text, however long, without those that are None."""
    return {clean_key(key): text_of(value) for key, value in tags.items() if value is not None}


def too_long(values: Mapping[str, str], length: int) -> dict[str, str]:
    """Return the values the store would not keep whole."""
    return {key: value for key, value in values.items() if len(value) > length}


def cut(text: str, length: int) -> str:
    """Return a text of at most ``length`` characters; one that was cut ends in ``…``."""
    return text if len(text) <= length else text[: length - 1] + "…"


def text_of(value: Any) -> str:
    """Return a value as text; lists and mappings as JSON."""
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=str)
    return str(value)
