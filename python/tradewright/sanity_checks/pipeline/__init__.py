"""Feature functions run on parts of their data: what a row says may not change with the rows that come after."""

from __future__ import annotations

from tradewright.sanity_checks.pipeline.check import PIPELINE_CHECKS, check_pipeline

__all__ = ["PIPELINE_CHECKS", "check_pipeline"]
