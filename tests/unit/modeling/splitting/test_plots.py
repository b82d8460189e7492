"""Pictures of plans: what is drawn, line by line."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import tradewright as tw
from tradewright.errors import ParameterError, SplitError
from tradewright.splitting.fold import ROLES
from tradewright.splitting.plot_assets import asset_runs
from tradewright.splitting.plots import ROLE_COLOURS

pytest.importorskip("matplotlib")

#: Asset b is listed on day 30 and suspended from day 50 to 59.
OWN = {"a": np.arange(100), "b": np.r_[30:50, 60:100]}
TIME = np.concatenate(list(OWN.values()))
ASSET = np.repeat(list(OWN), [len(own) for own in OWN.values()])
END = TIME + np.where(ASSET == "a", 2, 9)


@pytest.fixture(scope="module")
def panel():
    rows = np.random.default_rng(0).permutation(len(TIME))
    X = np.zeros((len(rows), 1))
    return tw.Panel.from_arrays(X, X[:, 0], time=TIME[rows], asset=ASSET[rows], label_end=END[rows])


def roles_of(plan, fold):
    roles = np.full(plan.n_rows, "", dtype=object)
    for role in ROLES:
        roles[getattr(plan[fold], role).indices()] = role
    return roles


@pytest.mark.parametrize("scope", ["all", "asset"])
def test_runs_say_what_each_row_of_each_asset_is(panel, scope):
    plan = tw.PurgedKFold(4, embargo=3, purge_scope=scope).plan(panel)
    line, role, left, right, names = asset_runs(plan, range(4), panel)
    assert names == ("fold 0  a", "b", None, "fold 1  a", "b", None, "fold 2  a", "b", None, "fold 3  a", "b")
    for fold in range(4):
        roles = roles_of(plan, fold)
        for code in range(2):
            runs = line == fold * 3 + code
            own = np.flatnonzero(panel.asset == code)
            for row in own:
                covers = runs & (left <= panel.time[row]) & (panel.time[row] < right)
                if panel.time[row] == 99:  # the last bar ends where the axis does
                    covers = runs & (right == 99)
                assert [ROLES[number] for number in role[covers]] == [roles[row]]
            # No bar where an asset has no rows.
            drawn = sum(np.arange(a, b).size for a, b in zip(left[runs], right[runs], strict=True))
            assert drawn == len(own) - 1


def test_scope_shows(panel):
    widths = []
    for scope in ("all", "asset"):
        plan = tw.PurgedKFold(4, purge_scope=scope).plan(panel)
        line, role, left, right, names = asset_runs(plan, [1], panel)
        assert names == ("a", "b")
        purged = (line == 0) & (role == ROLES.index("purged"))
        widths.append(int((right - left)[purged].sum()))
    assert widths == [2 + 9, 2 + 2]


def test_ids_and_the_panel_itself_are_as_good(panel):
    plan = tw.PurgedKFold(4).plan(panel)
    expected = asset_runs(plan, [0], panel)
    for assets in (True, np.array(panel.asset_names)[panel.asset]):
        for found, wanted in zip(asset_runs(plan, [0], assets), expected, strict=True):
            assert np.array_equal(found, wanted)
    saved = pickle.loads(pickle.dumps(plan))
    assert np.array_equal(asset_runs(saved, [0], panel)[0], expected[0])


def test_what_cannot_be_drawn_is_refused(panel):
    plan = tw.PurgedKFold(4).plan(panel)
    with pytest.raises(ParameterError, match="fold 4"):
        plan.plot(fold=4)
    with pytest.raises(SplitError, match="159 rows, the plan has 160"):
        plan.plot(assets=ASSET[:-1])
    with pytest.raises(SplitError, match="saved"):
        pickle.loads(pickle.dumps(plan)).plot(assets=ASSET)
    with pytest.raises(ParameterError, match="panel is not at hand"):
        tw.PurgedKFold(4).plan(TIME, asset=ASSET).plot(assets=True)
    other = tw.Panel.from_arrays(np.zeros((160, 1)), np.zeros(160), time=TIME + 1, asset=ASSET)
    with pytest.raises(SplitError, match="not those of the plan"):
        plan.plot(assets=other)


@pytest.mark.parametrize("folds", [5, 45])
def test_every_fold_has_a_line_and_what_is_left_out_is_seen(folds):
    time = np.arange("2014-01-01", "2024-01-01", dtype="datetime64[D]")
    splitter = tw.PurgedKFold(5, embargo=1) if folds == 5 else tw.CombinatorialPurgedCV(10, 2, embargo=1)
    ax = splitter.plan(time, label_end=time + 1).plot()
    span = np.diff(ax.get_xlim())[0]
    inches = ax.figure.get_figheight() / folds
    assert inches > 0.15  # a line is some pixels high
    for bars in ax.containers:
        hidden = [bar for bar in bars if bar.get_width() < 0.002 * span]
        colour = bars[0].get_facecolor()
        from matplotlib.colors import to_rgba

        if colour in (to_rgba(ROLE_COLOURS["purged"]), to_rgba(ROLE_COLOURS["embargoed"])):
            assert not hidden
    lines = {round(bar.get_y() + bar.get_height() / 2) for bars in ax.containers for bar in bars}
    assert lines == set(range(folds))


def test_many_assets_are_thin_and_none_is_left_out():
    time, asset = np.tile(np.arange(30), 300), np.repeat(np.arange(300), 30)
    ax = tw.PurgedKFold(3).plan(time, label_end=time + 1).plot(fold=1, assets=asset)
    assert ax.figure.get_figheight() <= 24
    lines = {round(bar.get_y() + bar.get_height() / 2) for bars in ax.containers for bar in bars}
    assert lines == set(range(300))
    assert len(ax.get_yticks()) == 6
