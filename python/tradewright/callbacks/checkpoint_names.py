"""How checkpoint files are called."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewright.errors import CallbackError

__all__ = ["LAST", "STEP", "checkpoint_name", "free_path"]

#: The newest turn, and the newest batch.
LAST = "last.tw"
STEP = "last-step.tw"


def checkpoint_name(template: str, epoch: int, logs: Mapping[str, float]) -> str:
    """Return the file name that a template gives for one turn.

    Raises
    ------
    CallbackError
        When the template names what is not logged, or makes no file name of its own.
    """
    try:
        # vformat takes keys such as "val_f1.macro" only as plain mappings; attribute access stays impossible.
        name = _Template().vformat(template, (), {**logs, "epoch": epoch})
    except (KeyError, ValueError, IndexError) as error:
        raise CallbackError(
            f"ModelCheckpoint: filename={template!r} cannot be filled in ({error}); it may name "
            f"{', '.join(['epoch', *sorted(logs)])}",
            code="callback.filename",
            known=["epoch", *sorted(logs)],
        ) from None
    name = name if name.endswith(".tw") else f"{name}.tw"
    if Path(name).name != name or name in (".tw", LAST, STEP):
        raise CallbackError(
            f"ModelCheckpoint: filename={template!r} gives {name!r}, which is not a file name of its own: "
            "put folders into dirpath",
            code="callback.filename",
        )
    return name


def free_path(path: Path, taken: set[Path]) -> Path:
    """Return ``path``, with a version when a file that stays has that name."""
    free, version = path, 0
    while free in taken:
        version += 1
        free = path.with_name(f"{path.name.removesuffix('.tw')}-v{version}.tw")
    return free


class _Template(string.Formatter):
    """:meth:`str.format` whose fields are whole log keys: no attributes, no items."""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return kwargs[field_name], field_name
