"""Under which name a trained model goes to the model registry."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tradewright.errors import ParameterError
from tradewright.training.result import TrainingResult

__all__ = ["Registration"]

_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,255}")
#: What MLflow keeps for itself: the newest version, and versions by number.
_TAKEN = re.compile(r"latest|v\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered model that each good training gives a new version, and the alias that then points at it.

    Raises
    ------
    ParameterError
        For names MLflow would refuse at the end of the training; for an alias without a name.
    """

    name: str | None = None
    alias: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and (not self.name.strip() or set("/:") & set(self.name)):
            raise ParameterError(
                f"registered_model_name={self.name!r}: a name without '/' and ':', and not empty",
                code="train.registered_name",
            )
        if self.alias is None:
            return
        if self.name is None:
            raise ParameterError(
                f"registered_model_alias={self.alias!r} points at a version of a registered model: name it with"
                " registered_model_name",
                code="train.registered_alias",
            )
        if not _ALIAS.fullmatch(self.alias) or _TAKEN.fullmatch(self.alias):
            raise ParameterError(
                f"registered_model_alias={self.alias!r}: letters, digits, '_' and '-', and neither 'latest' nor 'v1'",
                code="train.registered_alias",
            )

    def problem(self, result: TrainingResult, *, is_dry_run: bool) -> str | None:
        """Return why a result is not registered, though that was asked for: nobody wants it to be served."""
        if self.name is None:
            return None
        if is_dry_run:
            return f"not registered as {self.name}: this was a dry run"
        if result.status not in ("completed", "stopped"):
            return f"not registered as {self.name}: the training was {result.status}"
        return None
