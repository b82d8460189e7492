"""The pictures of a report: made from the data, and independent of it from then on."""

from __future__ import annotations

import numpy as np
import pytest

import tradewright as tw
from tradewright.sanity_checks.readings.evidence import BUCKETS
from tradewright.sanity_checks.report.pictures import Lines, Matrix, Spans, picture_from_dict, picture_to_dict

N = 400


def report_of(y, y_val=None, *, time=True, X=None, **keywords):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(len(y), 2)) if X is None else X
    if time:
        keywords["time_train"] = np.datetime64("2024-01-01") + np.arange(len(y))
    if y_val is None:
        return tw.ModelSanityChecker().run(X, y, **keywords)
    if time:
        keywords["time_val"] = np.datetime64("2025-06-01") + np.arange(len(y_val))
    return tw.ModelSanityChecker().run(X, y, rng.normal(size=(len(y_val), 2)), y_val, **keywords)


def picture(report, title):
    return next((picture for picture in report.pictures if picture.title.startswith(title)), None)


def test_target_over_time_is_the_median_and_the_band():
    y = np.random.default_rng(1).normal(size=160 * 50) + np.linspace(0, 10, 160 * 50)
    lines = picture(report_of(y), "Target")
    assert isinstance(lines, Lines)
    (series,) = lines.series
    assert len(lines.x) == len(series.y) == len(series.low) == BUCKETS
    for k in (0, 80, 159):
        part = np.sort(y[k * 50 : (k + 1) * 50])
        assert part[20] <= series.y[k] <= part[30]
        assert part[0] <= series.low[k] <= part[6]
        assert part[44] <= series.high[k] <= part[49]
    assert lines.ticks[0] == (0.0, "2024-01-01")


def test_classes_are_shown_as_their_mean_and_sides_apart():
    lines = picture(report_of(np.arange(N) % 2, np.ones(N, dtype=bool)), "Target")
    assert lines.caption.startswith("mean")
    train, val = lines.series
    assert (train.name, val.name) == ("train", "val")
    assert {round(value, 1) for value in train.y if value is not None} <= {0.3, 0.5, 0.7, 0.6, 0.4}
    assert set(val.y) == {None, 1.0}
    # The validation rows come later: what one side has, the other lacks.
    assert all(a is None or b is None for a, b in zip(train.y, val.y, strict=True))


def test_without_times_the_order_of_rows_is_the_axis():
    lines = picture(report_of(np.arange(N) * 1.0, time=False), "Target")
    assert [text for _, text in lines.ticks] == ["first row", "last row"]
    assert lines.series[0].y[0] < lines.series[0].y[-1]


def test_many_rows_are_thinned_out_and_it_is_said():
    lines = picture(report_of(np.random.default_rng(0).normal(size=250_000), time=False), "Target")
    assert "one row in 3" in lines.caption


def test_folds_in_time_are_those_of_the_plan():
    panel = tw.datasets.sp500_panel()
    for plan in (
        tw.PurgedKFold(n_splits=3, embargo=5, val_size=100).plan(panel),
        tw.WalkForward(n_splits=3).plan(panel),
    ):
        spans = picture(tw.check(panel, plan, suite="split"), "Train")
        assert spans.lanes == ("fold 0", "fold 1", "fold 2")
        whole = float(panel.time.max() - panel.time.min())
        for k, fold in enumerate(plan.folds):
            for role in ("train", "val", "test"):
                drawn = [span for span in spans.spans if (span.lane, span.role) == (k, role)]
                rows = getattr(fold, role)
                if not len(rows):
                    assert not drawn
                    continue
                times = (rows.take(panel.time) - panel.time.min()) / whole
                assert drawn[0].start == pytest.approx(times.min(), abs=1e-4)
                assert drawn[-1].stop == pytest.approx(times.max(), abs=1e-4)
        assert spans.ticks[0][1] == str(panel.times.min().astype("datetime64[D]"))


def test_plain_sides_are_drawn_as_they_lie():
    rows = np.r_[0:100, 200:300]
    spans = picture(
        tw.ModelSanityChecker().run(
            np.zeros((200, 1)), None, np.zeros((100, 1)), time_train=rows, time_val=np.arange(100, 200)
        ),
        "Train",
    )
    drawn = [(span.role, round(span.start, 2), round(span.stop, 2)) for span in spans.spans]
    assert drawn == [("train", 0.0, 0.33), ("train", 0.67, 1.0), ("val", 0.33, 0.66)]


def test_many_folds_fit_one_picture():
    panel = tw.datasets.sp500_panel()
    spans = picture(
        tw.check(panel, tw.CombinatorialPurgedCV(n_groups=11, n_test_groups=2).plan(panel), suite="split"), "Train"
    )
    assert len(spans.lanes) == 48
    assert "7 more folds are not shown" in spans.caption


def test_overlap_shows_the_first_labels_against_the_block():
    time = np.arange(100)
    report = tw.ModelSanityChecker().run(
        np.zeros((60, 1)),
        np.arange(60.0),
        np.zeros((40, 1)),
        np.arange(40.0),
        time_train=time[:60],
        time_val=time[60:],
        label_end_train=time[:60] + 5,
        label_end_val=time[60:] + 5,
        suite="split",
    )
    spans = picture(report, "Labels that overlap")
    assert spans.lanes == tuple(f"row {row}" for row in range(55, 60))
    (zone,) = spans.zones
    assert zone.name == "val labels"
    # Each label begins before the block and ends within it.
    assert all(span.start < zone.start <= span.stop for span in spans.spans)


def test_correlation_of_suspects_is_pearson():
    rng = np.random.default_rng(0)
    y = rng.normal(size=N)
    gaps = rng.random(N) < 0.4
    X = np.column_stack([np.where(gaps, np.nan, y + rng.normal(size=N)), rng.normal(size=N)])
    report = report_of(y, X=X, suite="quality")
    matrix = picture(report, "Correlation")
    assert isinstance(matrix, Matrix)
    assert matrix.rows == matrix.columns == ("target", "x0")
    assert matrix.values[0][1] == pytest.approx(np.corrcoef(X[~gaps, 0], y[~gaps])[0, 1], abs=1e-3)
    assert matrix.values[1][1] == 1.0


def test_pictures_come_back_from_their_dictionaries():
    y = np.r_[np.nan, np.random.default_rng(0).normal(size=N - 1)]
    pictures = report_of(y, y[1:], label_end_train=np.datetime64("2025-07-01") + np.arange(N)).pictures
    assert {type(picture) for picture in pictures} >= {Lines, Spans}
    for one in pictures:
        assert picture_from_dict(picture_to_dict(one)) == one


@pytest.mark.parametrize(
    "y",
    [
        np.full(50, np.nan),
        np.zeros(50),
        np.array([1.0]),
        np.array([np.inf, -np.inf] * 25),
        np.array([2**62, -(2**62)] * 25),
        np.array([1e308, -1e308] * 25),
        np.array([True, False] * 25),
    ],
    ids=["missing", "constant", "one row", "infinite", "huge whole", "huge", "bool"],
)
def test_odd_labels_are_drawn_or_left_out(y):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(len(y), 2))
    X[::2, 0] = np.nan
    report = report_of(y, X=X)
    assert "svg" in report.to_html()
    assert tw.SanityReport.from_json(report.to_json()).pictures == report.pictures


def test_one_time_and_no_labels():
    side = tw.ModelSanityChecker().run(np.zeros((3, 1)), time_train=[7, 7, 7])
    assert picture(side, "Target") is None
    both = tw.ModelSanityChecker().run(
        np.zeros((3, 1)), [1.0, 2.0, 3.0], np.zeros((2, 1)), [1.0, 2.0], time_train=[7, 7, 7], time_val=[7, 7]
    )
    assert picture(both, "Target").ticks == ((0.5, "7"),)
    assert "svg" in both.to_html()
