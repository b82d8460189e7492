"""What a caller says about the data that no check can find out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Literal

from tradewright.errors import ParameterError
from tradewright.panel.durations import parse_duration

__all__ = ["NOTHING", "Declared", "declare", "interleaves", "refuse_horizon"]

PROFILES = ("generic", "returns")

#: Splitters that lay all train rows before the test.
SEQUENTIAL = ("SequentialSplit", "PurgedSplit", "WalkForward")
#: Splitters whose train rows lie on both sides of the test, on purpose.
INTERLEAVED = ("PurgedKFold", "CombinatorialPurgedCV")


@dataclass(frozen=True)
class Declared:
    """What a caller declares.

    Parameters
    ----------
    profile : {"generic", "returns"}
        What the labels are. Of honest features nobody finds one that ranks future returns at a correlation of 0.2:
        with "returns" such a feature is a suspect.
    nowcasting : tuple of str
        Features that may know the label's own period, as in nowcasting; no check of leaks judges them.
    raw : tuple of str
        Columns that hold what was observed at their own time (prices, volume): another feature that equals their later
        values looks ahead.
    lookback : int, str or None
        How far back the longest feature looks: timestamps, or a duration such as ``"20d"``.
    interleaved : bool
        Train rows may lie after validation rows, as PurgedKFold and CombinatorialPurgedCV lay them.
    """

    profile: Literal["generic", "returns"] = "generic"
    nowcasting: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    lookback: int | str | None = None
    interleaved: bool = False

    def settings(self) -> dict[str, Any]:
        """Return what a report keeps: all that is not as it is by default."""
        default = asdict(NOTHING)
        told = {name: value for name, value in asdict(self).items() if value != default[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}


#: What is declared by default.
NOTHING = Declared()


def declare(
    columns: Iterable[str],
    *,
    profile: str = "generic",
    nowcasting: Iterable[str] = (),
    raw: Iterable[str] = (),
    lookback: int | str | None = None,
    interleaved: bool = False,
) -> Declared:
    """Check what is declared against the columns there are.

    Raises
    ------
    ParameterError
        For a profile there is none of, a column that is not there, and a look-back below 0.
    """
    if profile not in PROFILES:
        raise ParameterError(f"profile={profile!r}: pass 'generic' or 'returns'", code="sanity.profile")
    known = set(columns)
    named = {"nowcasting": _names(nowcasting), "raw": _names(raw)}
    for name, chosen in named.items():
        unknown = [column for column in chosen if column not in known]
        if unknown:
            raise ParameterError(
                f"{name}={list(chosen)!r}: there is no column {unknown[0]!r}",
                code="sanity.unknown_column",
                argument=name,
            )
    if isinstance(lookback, bool) or (isinstance(lookback, int) and lookback < 0):
        raise ParameterError(
            f"lookback={lookback!r}: pass a count of timestamps, or a duration like '20d'", code="sanity.lookback"
        )
    return Declared(
        profile="returns" if profile == "returns" else "generic",
        nowcasting=named["nowcasting"],
        raw=named["raw"],
        lookback=lookback,
        interleaved=bool(interleaved),
    )


def _names(columns: Iterable[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(str(column) for column in columns)


def refuse_horizon(horizon: Any) -> None:
    """Raise for a label horizon that is neither a count of bars nor a duration."""
    if horizon is None:
        return
    if isinstance(horizon, bool) or (isinstance(horizon, Real) and (horizon < 0 or float(horizon) % 1 != 0)):
        raise ParameterError(
            f"horizon={horizon!r}: pass a count of bars from 0 on, or a duration like '5d'", code="sanity.horizon"
        )
    if not isinstance(horizon, Real):
        parse_duration(horizon, name="horizon")


def interleaves(splitter: Mapping[str, Any], *, purged: bool) -> bool:
    """Return whether a plan's train rows may lie behind its validation rows.

    Those of our interleaved splitters may; and where label ends are known (``purged``), so that ``split.label_overlap``
    holds every train label against the validation blocks, those of splitters that we do not know.
    """
    name = splitter.get("splitter")
    return name in INTERLEAVED or (purged and name not in SEQUENTIAL)
