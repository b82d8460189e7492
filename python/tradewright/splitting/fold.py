"""One fold of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tradewright.splitting.rows import Rows

if TYPE_CHECKING:
    from tradewright.splitting.plan import SplitPlan

__all__ = ["ROLES", "Fold"]

#: The roles of a row in a fold; the position is the number in the table.
ROLES = ("train", "val", "test", "purged", "embargoed", "unused")


@dataclass(frozen=True, slots=True)
class Fold:
    """What every row of the data is in one fold; the six sets are disjoint and cover all rows.

    Parameters
    ----------
    index : int
        The number of the fold in its plan.
    train, val, test : Rows
        Fitted on; watched for early stopping; scored on once.
    purged, embargoed : Rows
        Left out because their label overlaps a test or validation block, or by the embargo.
    unused : Rows
        Not part of this fold.
    digest : str
        A digest of the roles of all rows in this fold.
    plan_digest : str
        The digest of the plan the fold belongs to.
    closed : {"both", "left"}
        Whether labels that only touch overlap, as the plan has it.
    purge_scope : {"all", "asset"}
        Whether rows were purged across all assets, or within each.
    plan : SplitPlan or None
        The plan the fold belongs to.
    """

    index: int
    train: Rows
    val: Rows
    test: Rows
    purged: Rows
    embargoed: Rows
    unused: Rows
    digest: str = ""
    plan_digest: str = ""
    closed: Literal["both", "left"] = "both"
    purge_scope: Literal["all", "asset"] = "all"
    plan: SplitPlan | None = field(default=None, repr=False, compare=False)

    @property
    def data_fingerprint(self) -> str | None:
        """The fingerprint of the panel the plan was made from; None where the plan does not know."""
        return None if self.plan is None else self.plan.data_fingerprint

    def __iter__(self) -> Iterator[Rows]:
        """Unpack as ``train, test = fold``."""
        return iter((self.train, self.test))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{role} {len(getattr(self, role)):,}" for role in ROLES)
        return f"<fold {self.index}: {sizes}>"
