"""The sanity checks from the command line: a table in, a verdict and an exit status out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tradewright as tw
from tradewright.errors import DataError, ParameterError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["add_check", "run_check"]

#: What each ending is read with.
READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".arrow": "read_ipc",
    ".feather": "read_ipc",
    ".ipc": "read_ipc",
}


def add_check(commands: Any) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "check",
        help="look for leaks and broken columns in a table",
        description="Look for leaks and broken columns in a table; exit status 1 when something is found.",
        epilog="example: tradewright check panel.parquet --target ret_5d --time date --asset ticker --horizon 5 "
        "--plan plan.json --html report.html",
    )
    parser.add_argument("data", type=Path, help=f"the table ({', '.join(READERS)})")
    parser.add_argument("--target", help="the column of labels")
    parser.add_argument("--time", required=True, help="the column of times")
    parser.add_argument("--asset", help="the column of assets")
    parser.add_argument("--label-end", help="the column that says when a label is known")
    parser.add_argument("--horizon", help='instead of it: bars until a label is known (5), or calendar time ("5d")')
    parser.add_argument("--features", help="the features, with commas; by default every other numeric column")
    parser.add_argument(
        "--batch-rows",
        type=int,
        metavar="N",
        help="read a parquet file N rows at a time: for tables larger than memory, of which fewer checks can be made",
    )
    against = parser.add_mutually_exclusive_group()
    against.add_argument("--plan", type=Path, help="a split plan over the rows of the table (plan.to_json())")
    against.add_argument("--val", type=Path, help="a second table: the rows to hold the first one against")
    parser.add_argument("--suite", default="all", help="leakage, split, quality, drift or all (%(default)s)")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="CHECK[:COLUMN]", help="what to leave out; may be repeated"
    )
    parser.add_argument(
        "--fail-on", choices=("info", "warning", "error"), default="error", help="the mildest failure (%(default)s)"
    )
    parser.add_argument("--html", type=Path, help="write a page")
    parser.add_argument("--junit", type=Path, help="write JUnit XML")
    parser.add_argument("--json", type=Path, help="write the report as JSON")
    parser.set_defaults(run=run_check)


def run_check(chosen: argparse.Namespace) -> int:
    """Run the checks and print the report; return 1 when it did not pass.

    Raises
    ------
    DataError, ParameterError
        For tables that cannot be read, and whatever :func:`tradewright.check` refuses.
    """
    panel = _panel(chosen, chosen.data)
    ignore = [_ignored(text) for text in chosen.ignore]
    if chosen.plan is not None and isinstance(panel, tw.Panel):
        report = tw.check(panel, _plan(chosen.plan), suite=chosen.suite, ignore=ignore)
    else:
        val = None if chosen.val is None else _panel(chosen, chosen.val)
        checker = tw.ModelSanityChecker()
        report = checker.run(panel, None, val, horizon=_horizon(chosen.horizon), suite=chosen.suite, ignore=ignore)
    report.show()
    for path, write in (
        (chosen.html, report.to_html),
        (chosen.junit, lambda path: report.to_junit(path, fail_on=chosen.fail_on)),
        (chosen.json, lambda path: path.write_text(report.to_json(indent=1), encoding="utf-8")),
    ):
        if path is not None:
            _written(path, write)
    return 0 if report.passed(chosen.fail_on) else 1


def _written(path: Path, write: Any) -> None:
    try:
        write(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}", code="cli.file") from error
    print(f"written {path}")


def _plan(path: Path) -> tw.SplitPlan:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--plan {path} cannot be read: {error}", code="cli.file") from error
    return tw.SplitPlan.from_json(text)


def _ignored(text: str) -> str | tuple[str, str]:
    check, colon, column = text.partition(":")
    return (check, column) if colon else check


def _horizon(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text


def _panel(chosen: argparse.Namespace, path: Path) -> tw.Panel | tw.PanelScan:
    features = None if chosen.features is None else [name.strip() for name in chosen.features.split(",")]
    roles: dict[str, Any] = {
        "target": chosen.target,
        "time": chosen.time,
        "asset": chosen.asset,
        "label_end": chosen.label_end,
        "horizon": _horizon(chosen.horizon),
        "features": features,
        "allow_duplicate_keys": True,  # they are a finding, and not the end of the others
    }
    if chosen.batch_rows is not None:
        if path.suffix.lower() != ".parquet":
            raise ParameterError(f"--batch-rows goes with parquet files, and {path} is none", code="cli.file")
        if chosen.plan is not None:
            raise ParameterError("--batch-rows does not go with --plan: pass a second table by --val", code="cli.file")
        scan = tw.Panel.scan_parquet(path, batch_rows=chosen.batch_rows, **roles)
        names = scan.columns.frame.collect_schema().names() if features is None else []
        _tell(path, names, scan.columns, chosen, scan.index.dropped)
        return scan
    frame = _table(path)
    panel = tw.Panel.from_frame(frame, **roles)
    _tell(path, frame.columns if features is None else [], panel.columns, chosen, panel.dropped)
    return panel


def _tell(path: Path, names: Iterable[str], taken: Container[str], chosen: argparse.Namespace, dropped: int) -> None:
    """Say what of a table is left out."""
    roles = {chosen.target, chosen.time, chosen.asset, chosen.label_end}
    left = [name for name in names if name not in roles and name not in taken]
    if left:
        print(f"{path.name}: not numeric, left out: {', '.join(left)}", file=sys.stderr)
    if dropped:
        print(f"{path.name}: {dropped:,} rows left out, whose label had not closed", file=sys.stderr)


def _table(path: Path) -> pl.DataFrame:
    import polars as pl

    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ParameterError(
            f"{path}: the ending {path.suffix!r} is not known; pass one of {', '.join(READERS)}", code="cli.file"
        )
    if not path.is_file():
        raise DataError(f"{path}: there is no such file", code="cli.file")
    options = {"try_parse_dates": True} if reader == "read_csv" else {}
    try:
        frame: pl.DataFrame = getattr(pl, reader)(path, **options)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}", code="cli.file") from error
    return frame
