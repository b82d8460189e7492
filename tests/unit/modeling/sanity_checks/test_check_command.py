"""``tradewright check``: tables in, a verdict and files out, an exit status for CI."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest

import tradewright as tw
from tradewright.cli import main


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n, assets = 200, ["A", "B", "C"]
    return pl.DataFrame(
        {
            "date": np.repeat(np.datetime64("2023-01-01") + np.arange(n), len(assets)),
            "ticker": assets * n,
            "momentum": rng.normal(size=n * 3),
            "value": rng.normal(size=n * 3),
            "note": ["x"] * (n * 3),
            "ret": rng.normal(size=n * 3),
        }
    )


ROLES = ["--target", "ret", "--time", "date", "--asset", "ticker", "--horizon", "5"]


def panel_of(table):
    return tw.Panel.from_frame(table, target="ret", time="date", asset="ticker", horizon=5)


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_an_honest_table_passes(table, tmp_path, capsys, ending):
    path = tmp_path / f"data.{ending}"
    {"parquet": table.write_parquet, "csv": table.write_csv, "arrow": table.write_ipc}[ending](path)
    assert main(["check", str(path), *ROLES, "--suite", "quality"]) == 0
    told = capsys.readouterr()
    assert "Sanity report" in told.out
    assert "not numeric, left out: note" in told.err
    assert "15 rows left out, whose label had not closed" in told.err


def test_a_leaky_plan_fails_and_writes_its_reports(table, tmp_path, capsys):
    table.write_parquet(tmp_path / "data.parquet")
    panel = panel_of(table)
    (tmp_path / "plan.json").write_text(tw.PurgedKFold(n_splits=3).plan(panel.times).to_json())
    files = {ending: tmp_path / f"report.{ending}" for ending in ("html", "xml", "json")}
    arguments = ["check", str(tmp_path / "data.parquet"), *ROLES, "--plan", str(tmp_path / "plan.json")]
    arguments += ["--html", str(files["html"]), "--junit", str(files["xml"]), "--json", str(files["json"])]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert "split.label_overlap" in out
    assert all(f"written {path}" in out.replace("\n", "") for path in files.values())
    report = tw.SanityReport.from_json(files["json"].read_text())
    assert not report.passed()
    assert report.plan_digest is not None
    assert files["html"].read_text() == report.to_html()
    assert int(ET.parse(files["xml"]).getroot().get("failures")) >= 1
    assert main([*arguments, "--ignore", "split.label_overlap", "--suite", "split"]) == 0


def test_what_fails_is_chosen(table, tmp_path):
    gaps = table.with_columns(value=pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise("value"))
    gaps.write_parquet(tmp_path / "data.parquet")
    arguments = ["check", str(tmp_path / "data.parquet"), *ROLES, "--suite", "quality"]
    assert main(arguments) == 0
    assert main([*arguments, "--fail-on", "warning"]) == 1
    assert main([*arguments, "--fail-on", "warning", "--ignore", "feature.nan:value"]) == 0
    assert main([*arguments, "--fail-on", "warning", "--features", "momentum"]) == 0


def test_a_second_table_stands_for_validation(table, tmp_path, capsys):
    table[:300].write_parquet(tmp_path / "train.parquet")
    pl.concat([table[:30], table[330:]]).write_parquet(tmp_path / "val.parquet")
    arguments = ["check", str(tmp_path / "train.parquet"), *ROLES, "--val", str(tmp_path / "val.parquet")]
    assert main([*arguments, "--suite", "leakage"]) == 1
    assert "dup.cross_exact" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.parquet", "--time", "date"], "there is no such file"),
        (["data.txt", "--time", "date"], "the ending '.txt' is not known; pass one of .parquet"),
        (["broken.parquet", "--time", "date"], "broken.parquet cannot be read"),
        (["data.parquet", "--time", "day"], "time='day' is not a column of the frame"),
        (["data.parquet", "--time", "date", "--target", "return"], "did you mean 'ret'"),
        (["data.parquet", "--time", "date", "--suite", "leaks"], "suite='leaks': pass one of leakage"),
        (["data.parquet", "--time", "date", "--ignore", "feature.nans"], "there is feature.nan"),
        (["data.parquet", "--time", "date", "--plan", "missing.json"], "--plan missing.json cannot be read"),
        (["data.parquet", "--time", "date", "--plan", "broken.json"], "plan"),
        (["data.parquet", "--time", "date", "--html", "no/such/folder.html"], "cannot be written"),
    ],
)
def test_errors_are_one_plain_line(table, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    table.write_parquet("data.parquet")
    (tmp_path / "data.txt").write_text("x")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "broken.json").write_text(json.dumps({"plan": 1}))
    assert main(["check", *arguments]) == 1
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert told.splitlines()[-1].startswith("tradewright check: ")
    assert message in told


def test_wrong_arguments_are_told_by_argparse(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["check", "data.parquet"])
    assert stopped.value.code == 2
    assert "--time" in capsys.readouterr().err
