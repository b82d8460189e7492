"""``tradewright verify``: whether a bundle comes from this data."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewright.errors import DataError, ParameterError

if TYPE_CHECKING:
    from tradewright.panel import Panel

__all__ = ["add_arguments", "verify_command"]

#: The columns that can be named, and how Panel.from_frame calls them.
_COLUMNS = ("target", "time", "asset", "label_end", "weight", "returns")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="the table the model was trained from: parquet, csv, ipc or feather")
    for name in _COLUMNS:
        parser.add_argument(
            f"--{name.replace('_', '-')}", metavar="COLUMN", help="where the bundle does not know, or has another name"
        )
    parser.add_argument("--horizon", help="of the labels, as in Panel.from_frame: 5, or 5d")
    parser.add_argument("--report", type=Path, help="the sanity report of the training, as JSON")
    parser.add_argument(
        "--key", action="append", default=[], metavar="KEY", help="must be signed by it: PEM file, or 64 hex digits"
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def verify_command(chosen: argparse.Namespace) -> int:
    """Print what holds and what differs; 0 when the bundle is proven, else 1."""
    # Not above: every command declares its arguments, and only this one needs all of these.
    from tradewright.bundle import inspect_bundle
    from tradewright.sanity_checks import SanityReport
    from tradewright.serialization import verify

    keys = chosen.key or None
    source = (inspect_bundle(chosen.bundle, trusted_keys=keys).get("metadata") or {}).get("evidence") or {}
    panel = _panel(chosen, dict(source.get("source") or {}))
    report = None if chosen.report is None else SanityReport.from_dict(_json(chosen.report))
    result = verify(chosen.bundle, panel, report=report, trusted_keys=keys)
    print(json.dumps(result.to_dict(), indent=2) if chosen.json else result)
    return 0 if result.ok else 1


def _panel(chosen: argparse.Namespace, source: dict[str, Any]) -> Panel:
    """Make the panel as the bundle says, or as the arguments do."""
    from tradewright.panel import Panel

    for name in _COLUMNS:
        if getattr(chosen, name) is not None:
            source[name] = getattr(chosen, name)
            if name == "label_end":
                source["horizon"] = None
    if chosen.horizon is not None:
        source["horizon"] = int(chosen.horizon) if chosen.horizon.isdigit() else chosen.horizon
        source["label_end"] = None
    if source.get("time") is None:
        raise ParameterError(
            "the bundle does not know which columns its panel was made of (it was made of arrays, of a part of a panel, or"
            " by an older version): name them by --time, --target, --asset, --label-end or --horizon",
            code="verify.columns",
        )
    source.setdefault("target", None)
    return Panel.from_frame(_frame(chosen.data), **source)


def _frame(path: Path) -> Any:
    import polars as pl

    readers = {
        ".parquet": pl.read_parquet,
        ".csv": lambda file: pl.read_csv(file, try_parse_dates=True),
        ".ipc": pl.read_ipc,
        ".feather": pl.read_ipc,
        ".arrow": pl.read_ipc,
    }
    if path.suffix.lower() not in readers:
        raise ParameterError(f"{path} is none of {', '.join(readers)}: convert it first", code="verify.data")
    try:
        return readers[path.suffix.lower()](path)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}", code="verify.data", path=str(path)) from None
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} cannot be read: {error}", code="verify.data", path=str(path)) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}", code="verify.report") from error
