"""The command line: ``tradewright demo`` and friends."""

from __future__ import annotations

from tradewright.cli.main import main

__all__ = ["main"]
