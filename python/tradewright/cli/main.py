"""Commands and their arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import tradewright
from tradewright.cli.check import add_check
from tradewright.cli.verify import add_arguments
from tradewright.errors import TradewrightError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for an error of ours (its message on stderr), 2 for wrong arguments.

    Examples
    --------
    >>> main(["models"])
    name... tags...
    ridge... linear, regression  (also ridge_regression)...
    0
    """
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if not hasattr(chosen, "run"):
        parser.print_help()
        return 0
    try:
        return int(chosen.run(chosen) or 0)
    except TradewrightError as error:
        print(f"tradewright {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"tradewright {chosen.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tradewright", description=(tradewright.__doc__ or "").partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"tradewright {tradewright.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")

    demo = commands.add_parser("demo", help="from real prices to tracked, saved, reloaded models")
    demo.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder for everything made (%(default)s)"
    )
    demo.add_argument("--folds", type=int, default=8, help="walk-forward tests (%(default)s)")
    demo.add_argument("--seed", type=int, default=7, help="seed of every model (%(default)s)")
    demo.set_defaults(run=_demo)

    inspect = commands.add_parser("inspect", help="what a saved bundle says of itself; loads no model")
    inspect.add_argument("bundle", type=Path)
    inspect.add_argument("--json", action="store_true", help="the whole manifest, as JSON")
    inspect.add_argument(
        "--key", action="append", default=[], metavar="KEY", help="must be signed by it: PEM file, or 64 hex digits"
    )
    inspect.set_defaults(run=_inspect)

    replay = commands.add_parser("replay", help="bring tracked runs into MLflow that its store has not got")
    replay.add_argument("path", type=Path, help="a spool file, or a folder of them")
    replay.add_argument("--uri", help="where the store is, if not where the runs were meant for")
    replay.set_defaults(run=_replay)

    verify = commands.add_parser("verify", help="prove that a bundle comes from this data")
    add_arguments(verify)
    verify.set_defaults(run=_verify)

    add_check(commands)
    commands.add_parser("models", help="names for ModelRegistry.create").set_defaults(run=_models)
    commands.add_parser("losses", help="names for LossRegistry.create").set_defaults(run=_losses)
    commands.add_parser("versions", help="versions, for a bug report").set_defaults(run=_versions)
    return parser


def _demo(chosen: argparse.Namespace) -> None:
    from tradewright.cli.demo import run_demo

    run_demo(chosen.output, folds=chosen.folds, seed=chosen.seed)


def _inspect(chosen: argparse.Namespace) -> None:
    from tradewright.cli.inspect import inspect_command

    inspect_command(chosen.bundle, as_json=chosen.json, trusted_keys=chosen.key)


def _verify(chosen: argparse.Namespace) -> int:
    from tradewright.cli.verify import verify_command

    return verify_command(chosen)


def _replay(chosen: argparse.Namespace) -> int:
    replayed = tradewright.replay_mlflow(chosen.path, chosen.uri)
    for one in replayed:
        print(one)
    if not replayed:
        print(f"no spool in {chosen.path}: nothing is left to bring into a store")
    return 0 if all(one.is_complete for one in replayed) else 1


def _models(_: argparse.Namespace) -> None:
    entries = tradewright.ModelRegistry.entries()
    width = max(len(entry.name) for entry in entries)
    print(f"{'name':<{width}}  tags")
    for entry in entries:
        also = f"  (also {', '.join(entry.aliases)})" if entry.aliases else ""
        print(f"{entry.name:<{width}}  {', '.join(entry.tags)}{also}")
        if entry.reason is not None:
            print(f"{'':<{width}}  not here: {entry.reason}")


def _losses(_: argparse.Namespace) -> None:
    print("\n".join(tradewright.LossRegistry.list()))


def _versions(_: argparse.Namespace) -> None:
    tradewright.show_versions()
