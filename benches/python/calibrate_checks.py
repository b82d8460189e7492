"""How often the sanity checks cry wolf on honest data, and how often they catch what was planted.

Honest panels of several kinds, 50 seeds of each: every warning is a false alarm, every error a scandal. The sample market
data: an honest pipeline must pass, and each sabotage of it must be named by the right check, at the right severity, with
the right columns, rows and counts. Each sabotage is then tried on fresh honest panels for a detection rate.

    python benches/python/calibrate_checks.py            # about three minutes; writes benches/results/calibration.json
    python benches/python/calibrate_checks.py --seeds 4  # a look, nothing is written
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).parent))

import tradewright as tw  # noqa: E402

#: Seeds of each kind of honest panel, and of each sabotage of fresh panels.
SEEDS = 50
DETECTION_SEEDS = 10
PLANS = (tw.PurgedKFold(n_splits=4, embargo=5, val_size=40), tw.WalkForward(n_splits=3, val_size=40, embargo=5))


def false_alarms(seeds: int) -> dict[str, Any]:
    """Count, for each check, on how many honest panels it ran and on how many it warned or erred."""
    from panels import HONEST

    ran: Counter[str] = Counter()
    warned: Counter[str] = Counter()
    erred: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    by_kind: dict[str, Counter[str]] = {}
    told: list[str] = []
    for kind, make in HONEST.items():
        counts = by_kind.setdefault(kind, Counter())
        for seed in range(seeds):
            market = make(seed)
            order = np.random.default_rng(seed).permutation(len(market.arrays()["y"])) if seed % 5 == 0 else None
            panel = market.panel(order)
            report = tw.check(panel, PLANS[seed % 2].plan(panel))
            ran.update(report.checks_run)
            skipped.update(name for name in report.checks_skipped if name not in report.checks_run)
            bad = {(f.id, f.severity) for f in report.at_least("warning")}
            warned.update({name for name, severity in bad if severity == "warning"})
            erred.update({name for name, severity in bad if severity == "error"})
            counts["panels"] += 1
            counts["checks"] += len(report.checks_run)
            counts["alarms"] += len({name for name, _ in bad})
            told += [f"{kind} {seed}: {finding}" for finding in report.at_least("warning")]
    runs, alarms = sum(ran.values()), len([None for _ in told])
    return {
        "panels": sum(counts["panels"] for counts in by_kind.values()),
        "check_runs": runs,
        "warned": sum(warned.values()),
        "erred": sum(erred.values()),
        "rate": (sum(warned.values()) + sum(erred.values())) / max(runs, 1),
        "findings": alarms,
        "by_kind": {kind: dict(counts) for kind, counts in by_kind.items()},
        "by_check": {name: {"ran": ran[name], "warned": warned[name], "erred": erred[name]} for name in sorted(ran)},
        "never_ran": sorted(set(skipped) - set(ran)),
        "told": told[:40],
    }


def sample_data() -> dict[str, Any]:
    """The sample market data, honest and sabotaged."""
    from sabotage import SABOTAGES, with_columns

    panel = tw.datasets.sp500_panel(horizon=5)
    # The last third: enough for every check, and quick.
    panel = panel.take(panel.time >= np.quantile(panel.time, 0.67))
    honest = {}
    for splitter in (*PLANS, tw.CombinatorialPurgedCV(n_groups=6, n_test_groups=2, embargo=5)):
        report = tw.check(panel, splitter.plan(panel))
        honest[type(splitter).__name__] = {
            "passed": report.passed("warning"),
            "summary": report.summary,
            "told": [str(finding) for finding in report.at_least("warning")],
        }
    del with_columns
    caught = {}
    for sabotage in SABOTAGES:
        spoiled = sabotage.spoil(panel, np.random.default_rng(0))
        others = {f.id for f in spoiled.report.at_least("warning")} - {sabotage.check}
        caught[sabotage.name] = {
            "check": sabotage.check,
            "severity": sabotage.severity,
            "caught": sabotage.caught(spoiled),
            "also": sorted(others),
        }
    return {"rows": len(panel), "honest": honest, "sabotages": caught}


def detection(seeds: int) -> dict[str, Any]:
    """The share of fresh panels on which each sabotage is caught."""
    from panels import honest_market
    from sabotage import SABOTAGES

    rates = {}
    for sabotage in SABOTAGES:
        hits = 0
        for seed in range(seeds):
            panel = honest_market(500 + seed).panel()
            hits += sabotage.caught(sabotage.spoil(panel, np.random.default_rng(seed)))
        rates[sabotage.name] = {"check": sabotage.check, "severity": sabotage.severity, "caught": hits, "of": seeds}
    return rates


def pipelines(seeds: int) -> dict[str, Any]:
    """How often check_pipeline finds a backfill over one gap in seven, and warns of an honest function."""

    def honest(prices: Any) -> dict[str, Any]:
        return {
            "change": np.diff(prices, prepend=prices[0]),
            "sum": np.cumsum(prices),
            "peak": np.maximum.accumulate(prices),
        }

    found = alarms = 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        prices = np.cumsum(rng.normal(size=2000))
        gaps = rng.random(2000) < 1 / 7

        def backfilled(values: Any, gaps: Any = gaps) -> Any:
            known = np.where(gaps[: len(values)], len(values), np.arange(len(values)))
            at = np.minimum.accumulate(known[::-1])[::-1]
            return np.where(at < len(values), values[np.minimum(at, len(values) - 1)], np.nan)

        found += not tw.check_pipeline(backfilled, prices, seed=seed).passed()
        alarms += not tw.check_pipeline(honest, prices, seed=seed, ignore=["lookahead.warmup"]).passed("warning")
    return {"seeds": seeds, "backfills_found": found, "honest_alarms": alarms}


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    chosen = parser.parse_args()
    started = time.perf_counter()
    content = {"seeds": chosen.seeds, "honest": false_alarms(chosen.seeds)}
    print_alarms(content["honest"])
    content["sample"] = sample_data()
    content["detection"] = detection(min(chosen.seeds, DETECTION_SEEDS))
    content["pipelines"] = pipelines(chosen.seeds)
    print_detection(content)
    content["seconds"] = round(time.perf_counter() - started, 1)
    print(f"{content['seconds']} s")
    if chosen.seeds >= SEEDS:
        from harness import record

        print(f"written {record('calibration', content, ['numpy', 'polars', 'tradewright'])}")


def print_alarms(found: dict[str, Any]) -> None:
    """The bar: fewer than 1 % of checks warn, and none errs."""
    print(
        f"{found['panels']} honest panels, {found['check_runs']:,} checks: {found['warned']} warned, {found['erred']} erred "
        f"({found['rate']:.2%}; bar: below 1 %, and 0 errors)"
    )
    for name, counts in found["by_check"].items():
        if counts["warned"] or counts["erred"]:
            print(f"  {name:<28} warned on {counts['warned']}, erred on {counts['erred']} of {counts['ran']}")
    for line in found["told"][:20]:
        print(f"    {line[:230]}")
    print(f"  never ran: {', '.join(found['never_ran']) or 'none'}")


def print_detection(content: dict[str, Any]) -> None:
    """What was caught."""
    for name, honest in content["sample"]["honest"].items():
        print(f"sample data, {name}: {'passes' if honest['passed'] else 'FAILS'} ({honest['summary']})")
        for line in honest["told"]:
            print(f"    {line[:230]}")
    for name, one in content["sample"]["sabotages"].items():
        rate = content["detection"][name]
        mark = "caught" if one["caught"] else "MISSED"
        also = f"; also {', '.join(one['also'])}" if one["also"] else ""
        print(f"  {mark} {name:<52} {one['check']:<30} {rate['caught']}/{rate['of']}{also}")
    counts = content["pipelines"]
    print(
        f"pipelines: {counts['backfills_found']} of {counts['seeds']} backfills found, "
        f"{counts['honest_alarms']} false alarms"
    )


if __name__ == "__main__":
    main()
