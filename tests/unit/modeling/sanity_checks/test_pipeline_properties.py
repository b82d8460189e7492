"""What check_pipeline says of linear filters, whose reach into the future is known."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import tradewright as tw

N = 60
PRICES = np.random.default_rng(0).normal(size=N) + 10
WEIGHTS = st.dictionaries(st.integers(-5, 5), st.sampled_from([-2.0, -1.0, 0.5, 1.0]), min_size=1, max_size=4)


def filtered(values, weights):
    """The sum of ``w[k] * x[t + k]`` with zeros beyond the ends."""
    padded = np.concatenate([np.zeros(5), values, np.zeros(5)])
    return sum(w * padded[5 + k : 5 + k + len(values)] for k, w in weights.items())


@settings(max_examples=40, deadline=None)
@given(weights=WEIGHTS, seed=st.integers(0, 2**32 - 1))
def test_a_filter_is_found_if_and_only_if_it_reaches_ahead(weights, seed):
    report = tw.check_pipeline(lambda x: filtered(x, weights), PRICES, cuts=6, windows=(20,), seed=seed)
    reach = max([k for k in weights if k > 0], default=0)
    errors = {finding.id: finding for finding in report.at_least("error")}
    assert set(errors) == ({"lookahead.truncation", "lookahead.perturb"} if reach else set())
    if reach:
        finding = errors["lookahead.truncation"]
        row = finding.examples[0].row
        seen = max(k for k in weights if 0 < k < N - row)
        told = "to the very end of the data" if seen == N - 1 - row > 1 else f"it looks {seen} row"
        assert told in finding.message
    # Twenty bars are more than any of these filters looks back.
    assert not any(finding.id == "lookahead.warmup" for finding in report.findings)


@settings(max_examples=12, deadline=None)
@given(weights=WEIGHTS, order=st.permutations(range(24)), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_a_panels_rows_changes_nothing(weights, order, seed):
    frame = pl.DataFrame(
        {"date": np.repeat(np.datetime64("2024-01-01") + np.arange(12), 2), "asset": ["A", "B"] * 12, "x": PRICES[:24]}
    )

    def features(rows):
        parts = [
            part.sort("date").with_columns(pl.Series("f", filtered(part.sort("date")["x"].to_numpy(), weights)))
            for part in rows.partition_by("asset", maintain_order=True)
        ]
        return pl.concat(parts).select("date", "asset", "f")

    reports = [
        tw.check_pipeline(features, rows, cuts=5, windows=(11,), seed=seed, asset="asset")
        for rows in (frame, frame[list(order)])
    ]
    leaks = [{f.id: f.count for f in report.at_least("error")} for report in reports]
    # Noise falls on other rows in another order; what is cut is the same.
    assert leaks[0].get("lookahead.truncation") == leaks[1].get("lookahead.truncation")
    assert bool(leaks[0]) == any(k > 0 for k in weights)
