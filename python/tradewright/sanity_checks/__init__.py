"""Checks that find the leaks and the broken columns before a model learns them."""

from __future__ import annotations

from tradewright.sanity_checks.base import CannotRun, Check, CheckContext, Side
from tradewright.sanity_checks.checker import ModelSanityChecker
from tradewright.sanity_checks.pipeline import check_pipeline
from tradewright.sanity_checks.plan_check import check
from tradewright.sanity_checks.report import Example, Finding, SanityReport

__all__ = [
    "CannotRun",
    "Check",
    "CheckContext",
    "Example",
    "Finding",
    "ModelSanityChecker",
    "SanityReport",
    "Side",
    "check",
    "check_pipeline",
]
