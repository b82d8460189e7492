"""Plots: what is on them, and what they say where there is nothing to draw."""

import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.errors import DataError
from tradewright.tracking import plots
from tradewright.tracking.plots.figure import bins_of, plain

pytest.importorskip("matplotlib")


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Call a plot; return its figure, having looked at the file."""

    def call(name, *args, **keywords):
        # The package's attribute of that name is the function's home.
        module = importlib.import_module(f"tradewright.tracking.plots.{name}")
        kept, save = [], module.save
        monkeypatch.setattr(module, "save", lambda figure, path: (kept.append(figure), save(figure, path))[1])
        path = getattr(plots, f"plot_{name}")(*args, tmp_path / "plot.png", **keywords)
        assert path.read_bytes().startswith(b"\x89PNG")
        (figure,) = kept
        return figure

    return call


def text_of(figure):
    axes = figure.axes
    words = [
        figure.get_suptitle(),
        *(word for ax in axes for word in (ax.get_title(), ax.get_xlabel(), ax.get_ylabel())),
    ]
    words += [text.get_text() for ax in axes if ax.get_legend() for text in ax.get_legend().get_texts()]
    return "\n".join(words)


def points(container):
    line = container.lines[0]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


# --- learning curve -----------------------------------------------------------------------------------------------


def test_the_learning_curve_holds_the_losses_and_leaves_gaps_for_what_is_not_finite(drawn):
    history = [{"epoch": i, "train_loss": 1 / (i + 1), "val_loss": math.nan if i == 1 else 1.0} for i in range(5)]
    figure = drawn("learning_curve", history)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines["train_loss"].get_ydata()) == [row["train_loss"] for row in history]
    assert list(lines["val_loss"].get_xdata()) == [0, 2, 3, 4]


def test_curves_far_apart_get_a_panel_each(drawn):
    history = [{"epoch": i, "train_loss": 1e-3 / (i + 1), "val_loss": 500.0 + i} for i in range(5)]
    assert len(drawn("learning_curve", history).axes) == 2


@pytest.mark.parametrize(
    "history", [[], [{"epoch": 0, "train_loss": 1.0}], [{"epoch": i, "train_loss": math.nan} for i in (0, 1)]]
)
def test_no_curve_of_less_than_two_turns(tmp_path, history):
    with pytest.raises(DataError, match="fewer than two epochs"):
        plots.plot_learning_curve(history, tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


# --- importance ---------------------------------------------------------------------------------------------------


def test_importances_are_the_thirty_largest_from_the_top(drawn):
    shares = np.arange(50.0)
    shares[[7, 49]] = math.nan
    figure = drawn("importance", [f"f{i}" for i in range(50)], shares)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == 30
    assert names[-1] == "f48"
    assert [bar.get_width() for bar in axes.patches] == sorted(shares[np.isfinite(shares)])[-30:]
    rest = np.nansum(shares[:19]) / np.nansum(shares)
    assert f"the 20 others have {rest:.1%} together" in axes.get_xlabel()


def test_names_are_drawn_as_they_are(drawn):
    names = ["ret_$x^2$_{5", "a" * 200, "a" * 100 + "b" * 100, "two\nlines", "日経"]
    figure = drawn("importance", names, np.ones(5))
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert r"ret_\$x^2\$_{5" in shown
    assert len(figure.axes[0].patches) == 5
    assert all(len(name) <= 40 and "\n" not in name for name in shown)


@pytest.mark.parametrize("shares", [[], [0.0, 0.0], [math.nan, math.nan]])
def test_no_importances(tmp_path, shares):
    with pytest.raises(DataError, match="no feature has an importance"):
        plots.plot_importance(["a", "b"][: len(shares)], shares, tmp_path / "x.png")


# --- residuals ----------------------------------------------------------------------------------------------------


def test_deciles_of_the_prediction_hold_the_mean_label(drawn):
    rng = np.random.default_rng(0)
    said = rng.permutation(np.arange(1000.0))
    actual = 2 * said + rng.normal(size=1000)
    figure = drawn("residuals", actual, said, rows="validation rows", target="ret_$5d")
    left = figure.axes[0]
    x, y = points(left.containers[0])
    order = np.argsort(said)
    np.testing.assert_allclose(x, said[order].reshape(10, 100).mean(axis=1))
    np.testing.assert_allclose(y, actual[order].reshape(10, 100).mean(axis=1))
    text = text_of(figure)
    assert "1,000 validation rows; R²" in text
    assert f"correlation {np.corrcoef(said, actual)[0, 1]:.4g}" in text
    assert r"ret_\$5d" in text
    assert f"mean {(actual - said).mean():.4g}, deviation {(actual - said).std():.4g}" in text


@pytest.mark.parametrize(
    ("actual", "said", "words"),
    [
        ([1.0, 2.0, 4.0], [3.0, 3.0, 3.0], "all predictions are equal"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "R² –, correlation –"),
        ([1.0], [2.0], "1 rows; R² –"),
        ([1.0, math.nan, 2.0, 3.0], [1.0, 2.0, math.inf, 3.0], "2 rows (2 without a prediction left out)"),
        ([1e300, -1e300], [1e-300, 0.0], "2 rows"),
    ],
)
def test_residuals_of_poor_predictions(drawn, actual, said, words):
    assert words in text_of(drawn("residuals", actual, said))


def test_outliers_are_counted_and_do_not_squeeze_the_rest(drawn):
    actual = np.concatenate([np.random.default_rng(0).normal(size=9990), np.full(10, 1e6)])
    figure = drawn("residuals", actual, np.zeros(10_000))
    right = figure.axes[1]
    assert right.get_xlim()[1] < 1e4
    assert "20 rows beyond the edges, from" in right.get_xlabel()
    assert "to 1e+06" in right.get_xlabel()


def test_no_residuals(tmp_path):
    with pytest.raises(DataError, match="none of the validation rows has a finite prediction"):
        plots.plot_residuals([math.nan], [1.0], tmp_path / "x.png", rows="validation rows")
    with pytest.raises(DataError, match="none of the rows"):
        plots.plot_residuals([], [], tmp_path / "x.png")


# --- calibration --------------------------------------------------------------------------------------------------


def test_a_calibrated_model_lies_on_the_line(drawn):
    rng = np.random.default_rng(1)
    p = rng.uniform(0.2, 0.8, size=20_000)
    codes = (rng.uniform(size=20_000) < p).astype(int)
    figure = drawn("calibration", codes, np.column_stack([1 - p, p]), ["down", "up"], rows="validation rows")
    upper, lower = figure.axes
    x, y = points(upper.containers[0])
    assert len(x) == 10
    np.testing.assert_allclose(y, x, atol=0.06)
    text = text_of(figure)
    brier = np.mean((p - codes) ** 2)
    base = codes.mean() * (1 - codes.mean())
    assert (
        f"20,000 validation rows\nBrier score {brier:.4g}; always saying the shares of the classes: {base:.4g}" in text
    )
    assert "up" in text
    assert "down" not in text
    assert lower.get_ylabel() == "rows"


def test_each_of_many_classes_against_the_rest(drawn):
    rng = np.random.default_rng(2)
    said = rng.dirichlet(np.ones(9), size=500)
    codes = np.where(np.arange(500) < 300, 8, rng.integers(0, 9, size=500))
    figure = drawn("calibration", codes, said, [f"class {i}" for i in range(9)])
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "class 8" in names
    assert len(names) == 6 + 1
    assert "3 rarer classes left out" in text_of(figure)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ([1, 1, 1], [[0.5, 0.5]] * 3),
        ([0, 0, 0], [[1.0, 0.0]] * 3),
        ([0], [[0.3, 0.7]]),
        ([0, 1, 1], [[math.nan, math.nan], [0.4, 0.6], [0.4, 0.6]]),
    ],
    ids=["one class, constant", "certain", "one row", "a NaN"],
)
def test_calibration_of_poor_predictions(drawn, codes, said):
    assert "Brier score" in text_of(drawn("calibration", codes, said, [False, True]))


def test_no_calibration(tmp_path):
    with pytest.raises(DataError, match="one class"):
        plots.plot_calibration([0], [[1.0]], ["only"], tmp_path / "x.png")
    with pytest.raises(DataError, match="none of the rows has finite probabilities"):
        plots.plot_calibration([0], [[math.nan, 1.0]], [0, 1], tmp_path / "x.png")


# --- confusion ----------------------------------------------------------------------------------------------------


def test_the_confusion_matrix_counts(drawn):
    actual, said = [0] * 6 + [1] * 4 + [-1], [0] * 5 + [1] + [1] * 3 + [-1] + [0]
    figure = drawn("confusion", actual, said, ["no", "yes", "never"], rows="validation rows")
    axes = figure.axes[0]
    cells = [text.get_text() for text in axes.texts]
    assert cells == ["5\n83%", "1\n17%", "0\n0%", "0\n0%", "3\n100%", "0\n0%", "0\n0%", "0\n0%", "0\n0%"]
    title = axes.get_title()
    assert "9 validation rows\n(2 without a prediction left out)" in title
    # A class without rows has no say in the balanced accuracy.
    assert f"accuracy {8 / 9:.4g}, balanced {(5 / 6 + 1) / 2:.4g}" in title
    assert [label.get_text() for label in axes.get_yticklabels()] == ["no", "yes", "never"]


def test_no_confusion_matrix(tmp_path):
    with pytest.raises(DataError, match="21 classes are too many"):
        plots.plot_confusion([0], [0], list(range(21)), tmp_path / "x.png")
    with pytest.raises(DataError, match="none of the rows has a prediction"):
        plots.plot_confusion([0], [-1], [0, 1], tmp_path / "x.png")


# --- folds --------------------------------------------------------------------------------------------------------


def test_fold_metrics_hold_each_fold_and_the_mean(drawn):
    folds = {
        0: {"train_loss": 1.0, "val_loss": 2.0, "lr": 0.1},
        1: {"train_loss": 2.0, "val_loss": math.nan},
        4: {"train_loss": 3.0, "val_loss": 4.0},
    }
    figure = drawn("fold_metrics", folds)
    names = [axes.get_ylabel() for axes in figure.axes]
    assert names == [r"val_loss", "train_loss"]
    assert list(figure.axes[0].lines[0].get_xdata()) == [0, 4]
    assert list(figure.axes[1].lines[0].get_ydata()) == [1.0, 2.0, 3.0]
    text = text_of(figure)
    assert "mean 3 ± 1.414" in text
    assert "mean 2 ± 1" in text
    assert "no value: 1" in text


def test_many_metrics_and_none(drawn, tmp_path):
    figure = drawn("fold_metrics", [{f"val_m{i}": float(i) for i in range(11)}])
    assert len(figure.axes) == 8
    assert "3 further metrics left out" in text_of(figure)
    with pytest.raises(DataError, match="no fold has a finite metric"):
        plots.plot_fold_metrics([{"val_loss": math.nan, "seconds": 1.0}], tmp_path / "x.png")


# --- what they share ----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), st.integers(1, 12))
def test_bins_are_in_order_and_equal_values_share_one(values, count):
    array = np.asarray(values)
    bins = bins_of(array, count)
    assert set(bins.tolist()) == set(range(bins.max() + 1))
    assert bins.max() < count
    for low in range(bins.max()):
        assert array[bins == low].max() < array[bins == low + 1].min()


@given(st.text(max_size=120))
def test_a_shortened_name_fits_and_is_no_formula(name):
    shown = plain(name, 20)
    assert len(shown.replace(r"\$", "$")) <= 20
    assert "$" not in shown.replace(r"\$", "")
