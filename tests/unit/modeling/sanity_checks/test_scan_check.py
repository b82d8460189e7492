"""Files read in batches are told the same as tables in memory, wherever the borders of the batches fall."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tradewright as tw
from tradewright.cli import main
from tradewright.errors import ColumnNotFoundError, DataError, FeatureMismatchError, ParameterError
from tradewright.sanity_checks.suites import CHECKS

IN_BATCHES = [kind.id for kind in CHECKS if kind.in_batches]
ROLES = {"target": "y", "time": "day", "asset": "ticker"}


def table(seed, days=90, assets=3, first=0):
    """Columns with something wrong in each, sorted by date."""
    rng = np.random.default_rng(seed)
    n = days * assets
    day = np.repeat(np.datetime64("2020-01-01") + np.arange(first, first + days), assets)
    x = rng.normal(size=n)
    feed = rng.normal(size=(days, assets))
    feed[days // 3 : days // 3 + 30, 1] = feed[days // 3, 1]
    warm = rng.normal(size=n)
    warm[: assets * 20] = np.nan
    gaps = np.where(rng.random(n) < 0.1 + 0.8 * (first > 0), np.nan, rng.normal(size=n))
    whole = [None if k % 17 == 3 else int(value) for k, value in enumerate(rng.integers(0, 1000, n))]
    scaled = rng.normal(size=(n, 2)) + np.linspace(0, 2, n)[:, None]
    return pl.DataFrame(
        {
            "day": day,
            "ticker": np.tile([f"T{j}" for j in range(assets)], days),
            "x": x,
            "again": x,
            "single": x.astype(np.float32) * 1e-3 + 3e4,
            "feed": feed.reshape(-1),
            "warm": warm,
            "gaps": gaps,
            "inf": np.where(rng.random(n) < 0.02, np.inf, x**2),
            "flat": np.full(n, 4.0),
            "empty": np.full(n, np.nan),
            "nearly": np.where(np.arange(n) == n // 2, 1.0, 2.0),
            "missing": np.where(rng.random(n) < 0.05, -999.0, x),
            "zeros": np.where(rng.random(n) < 0.3, 0.0, rng.normal(size=n)),
            "number": np.arange(n) + 1_000 * first,
            "whole": pl.Series(whole, dtype=pl.Int64),
            "flag": rng.random(n) < 0.3,
            "large": rng.normal(size=n) * 1e9,
            "scaled_0": scaled[:, 0],
            "scaled_1": scaled[:, 1],
            "y": np.where(rng.random(n) < 0.01, np.nan, rng.normal(size=n)),
        }
    )


def both(seed):
    """Two tables, two columns of which are scaled over both."""
    train, val = table(seed), table(seed + 1, days=40, first=100)
    for name in ("scaled_0", "scaled_1"):
        values = np.concatenate([part[name].to_numpy() for part in (train, val)])
        mean, std = values.mean(), values.std()
        train, val = (part.with_columns((pl.col(name) - mean) / std) for part in (train, val))
    return train, val


def facts(report):
    return [
        (f.id, f.severity, f.columns, f.count, f.examples, pytest.approx(f.value), pytest.approx(f.threshold), f.remedy)
        for f in report.findings
    ]


CHECKER = tw.ModelSanityChecker({"feature.quasi_constant": {"share": 0.99}})


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 50),
    batch_rows=st.integers(5, 300),
    group_rows=st.integers(5, 300),
    horizon=st.sampled_from([None, 3]),
)
def test_batches_give_what_memory_gives(tmp_path, seed, batch_rows, group_rows, horizon):
    tables = both(seed)
    sides, scans = [], []
    for name, frame in zip(("train", "val"), tables, strict=True):
        path = tmp_path / f"{name}.parquet"
        frame.write_parquet(path, row_group_size=group_rows)
        roles = {**ROLES, "horizon": horizon}
        sides.append(tw.Panel.from_frame(frame, **roles))
        scans.append(tw.Panel.scan_parquet(path, batch_rows=batch_rows, **roles))
        assert scans[-1].fingerprint == sides[-1].fingerprint
        assert len(scans[-1]) == len(sides[-1])
    expected = CHECKER.run(sides[0], None, sides[1], suite=IN_BATCHES)
    report = CHECKER.run(scans[0], None, scans[1], suite=IN_BATCHES)
    assert facts(report) == facts(expected)
    assert report.checks_skipped == expected.checks_skipped
    assert report.data_fingerprint == expected.data_fingerprint


def test_the_tables_above_have_something_for_every_check(files):
    report = CHECKER.run(scan(files / "train.parquet"), None, scan(files / "val.parquet"), suite=IN_BATCHES)
    found = {f.id for f in report.findings}
    assert found >= {
        *(f"feature.{name}" for name in ("nan", "inf", "constant", "quasi_constant", "duplicate_column", "id_like")),
        *(f"feature.{name}" for name in ("stale", "sentinel", "scale")),
        "drift.nan_rate",
        "target.invalid",
        "leak.global_scaling",
    }


@pytest.fixture
def files(tmp_path):
    train, val = both(7)
    for name, frame in (("train", train), ("val", val)):
        frame.write_parquet(tmp_path / f"{name}.parquet", row_group_size=50)
    return tmp_path


def scan(path, **others):
    return tw.Panel.scan_parquet(path, **{**ROLES, "batch_rows": 64, **others})


def test_what_cannot_run_in_batches_is_skipped_with_the_reason(files):
    report = tw.ModelSanityChecker().run(scan(files / "train.parquet"), None, scan(files / "val.parquet"))
    others = {kind.id for kind in CHECKS if kind.by_default and not kind.in_batches}
    assert {name for name, reason in report.checks_skipped.items() if "read in batches" in reason} == others
    assert set(report.checks_run) <= set(IN_BATCHES)
    assert "the file is read in batches" in str(report)
    assert report.to_html()


def test_only_suspects_are_read_as_whole_columns(files, monkeypatch):
    """A file of honest columns is read once, batch after batch, and then by column for its fingerprint."""
    from tradewright.panel.scan import ScannedColumns

    read = []
    plain = ScannedColumns.__getitem__
    monkeypatch.setattr(ScannedColumns, "__getitem__", lambda self, name: read.append(name) or plain(self, name))
    monkeypatch.setattr(tw.PanelScan, "fingerprint", "0" * 32)
    honest = ["x", "gaps", "flag", "warm"]
    checker = tw.ModelSanityChecker()
    checker.run(scan(files / "train.parquet", features=honest), suite=IN_BATCHES)
    assert set(read) == {"gaps"}  # its missing cells are shown
    sizes = [len(columns[0]) for columns in scan(files / "train.parquet").batches()]
    assert sizes == [64, 64, 64, 64, 14]


def test_rows_that_go_back_in_time_are_refused_with_the_row(files):
    frame = pl.read_parquet(files / "train.parquet")
    pl.concat([frame[:100], frame[103:106], frame[100:103], frame[106:]]).write_parquet(files / "other.parquet")
    with pytest.raises(DataError, match=r"row 103 \(2020-02-03\) lies before an earlier row of its asset") as caught:
        tw.ModelSanityChecker().run(scan(files / "other.parquet"))
    assert caught.value.code == "sanity.scan_order"
    by_asset = frame.sort("ticker", "day")
    by_asset.write_parquet(files / "other.parquet")
    report = tw.ModelSanityChecker().run(scan(files / "other.parquet"), suite=IN_BATCHES)
    expected = tw.ModelSanityChecker().run(tw.Panel.from_frame(by_asset, **ROLES), suite=IN_BATCHES)
    assert facts(report) == facts(expected)


def test_misuse_says_what_to_do(files):
    train, checker = scan(files / "train.parquet"), tw.ModelSanityChecker()
    with pytest.raises(ParameterError, match="a scan brings its own labels"):
        checker.run(train, np.zeros(270))
    with pytest.raises(ParameterError, match="pass two scans, or two tables in memory"):
        checker.run(train, None, np.zeros((3, 2)))
    with pytest.raises(FeatureMismatchError, match="it lacks 'x'"):
        checker.run(train, None, scan(files / "val.parquet", features=["gaps"]))
    with pytest.raises(ColumnNotFoundError, match=r"time='dya' is not a column of .*did you mean 'day'"):
        scan(files / "train.parquet", time="dya")
    with pytest.raises(DataError, match=r"nowhere\.parquet cannot be read"):
        scan(files / "nowhere.parquet")
    with pytest.raises(DataError, match="feature 'ticker' is String, not numeric"):
        scan(files / "train.parquet", asset=None, features=["ticker"], allow_duplicate_keys=True)
    for wrong in (0, -5, 2.5, True):
        with pytest.raises(ParameterError, match="batch_rows="):
            scan(files / "train.parquet", batch_rows=wrong)


def test_a_directory_of_files_is_one_panel(files):
    frame = table(3)
    (files / "parts").mkdir()
    for number, start in enumerate(range(0, len(frame), 100)):
        frame[start : start + 100].write_parquet(files / "parts" / f"part-{number}.parquet")
    whole = scan(files / "parts")
    assert whole.fingerprint == tw.Panel.from_frame(frame, **ROLES).fingerprint
    assert repr(whole).splitlines()[0] == "PanelScan: 270 rows × 18 features, 3 assets, 2020-01-01 … 2020-03-30"
    assert repr(whole).splitlines()[-1] == "  read by   64 rows"


def test_the_command_reads_in_batches(files, capsys):
    roles = ["--target", "y", "--time", "day", "--asset", "ticker", "--batch-rows", "100"]
    arguments = ["check", str(files / "train.parquet"), "--val", str(files / "val.parquet"), *roles]
    assert main(arguments) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "leak.global_scaling" in out
    assert "the file is read in batches" in out
    assert main([*arguments[:2], *roles, "--plan", "plan.json"]) == 1
    assert "does not go with --plan" in capsys.readouterr().err
