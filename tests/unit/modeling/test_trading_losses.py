"""Trading losses against a broker who keeps a book date by date, differentiated by torch in float64."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from tradewright import LossRegistry, _core  # noqa: E402
from tradewright.errors import LossError, ParameterError  # noqa: E402
from tradewright.loss_functions import (  # noqa: E402
    CalmarLoss,
    CRRALoss,
    CVaRLoss,
    DifferentialSharpeLoss,
    GroupIndex,
    MaxDrawdownLoss,
    ProfitBasedLoss,
    SharpeLoss,
    SortinoLoss,
)
from tradewright.testing import check_loss  # noqa: E402

# --- the broker -----------------------------------------------------------------------------------------------------


def broker(loss, score, y, dates, assets, volatility=None):
    """Returns by date (by row where pooled) and which date each is of; ``score`` is a tensor."""
    days = {d: [i for i in np.flatnonzero(dates == d) if not np.isnan(y[i])] for d in np.unique(dates)}
    days = {d: rows for d, rows in days.items() if rows}
    link = {"tanh": torch.tanh, "identity": lambda s: s, "clip": lambda s: s.clamp(-1, 1)}.get(loss.position)
    zero = torch.zeros((), dtype=torch.float64)
    held = dict.fromkeys(np.unique(assets), zero + loss.initial_position)
    last_row, returns, of = {}, [], []
    for number, (day, rows) in enumerate(days.items()):
        position = torch.softmax(score[rows], 0) if link is None else link(score[rows])
        pooled = getattr(loss, "pooled", False)
        earned, closing = {}, zero
        here = {assets[i] for i in rows}
        if loss.absent == "close" and number == 0:
            held = {a: h if a in here else zero for a, h in held.items()}
        if loss.absent == "close" and number > 0:
            for asset in [a for a in held if a not in here]:
                charge = loss.cost * held[asset].abs()
                if pooled and asset in last_row:
                    returns[last_row[asset]] = returns[last_row[asset]] - charge
                closing = closing + charge
                held[asset] = zero
        for k, i in enumerate(rows):
            size = position[k]
            if volatility is not None:
                size = size * loss.target_volatility / volatility[i]
            earned[i] = size * y[i] - loss.cost * (size - held[assets[i]]).abs()
            held[assets[i]] = size
        if pooled:
            for i in rows:
                last_row[assets[i]] = len(returns)
                returns.append(earned[i])
                of.append(day)
        else:
            total = sum(earned.values()) - closing
            returns.append(total if loss.position == "softmax" else total / len(rows))
            of.append(day)
    return (torch.stack(returns) if returns else torch.zeros(0, dtype=torch.float64)), of


# --- the losses of returns, written plainly -------------------------------------------------------------------------


def profit(loss, r, w):
    return -(w * r)


def sharpe(loss, r, w):
    n = (w > 0).sum()
    m = (w * r).sum() / w.sum()
    sd = torch.sqrt((w * (r - m) ** 2).sum() / w.sum() * n / (n - loss.ddof))
    return -math.sqrt(loss.periods_per_year) * (m - loss.risk_free) / (sd + loss.eps)


def sortino(loss, r, w):
    m = (w * r).sum() / w.sum()
    square = (w * torch.clamp(r - loss.target, max=0) ** 2).sum() / w.sum()
    dd = torch.sqrt(square) if square > 0 else torch.zeros_like(square)
    return -math.sqrt(loss.periods_per_year) * (m - loss.target) / (dd + loss.eps)


def fall(r, w, compounding):
    wealth, peak, worst = torch.ones((), dtype=torch.float64), torch.ones((), dtype=torch.float64), r.sum() * 0
    for rt, wt in zip(r, w, strict=True):
        wealth = wealth * (1 + rt) ** wt if compounding else wealth + wt * rt
        peak = wealth if wealth > peak else peak
        worst = 1 - wealth / peak if 1 - wealth / peak > worst else worst
    return worst


def drawdown(loss, r, w):
    return fall(r, w, loss.compounding)


def calmar(loss, r, w):
    return -loss.periods_per_year * (w * r).sum() / w.sum() / (fall(r, w, True) + loss.eps)


def crra(loss, r, w):
    if loss.gamma == 1.0:
        return -w * torch.log(1 + r)
    return -w * ((1 + r) ** (1 - loss.gamma) - 1) / (1 - loss.gamma)


def cvar(loss, r, w):
    tail = (1 - loss.alpha) * w.sum()
    room, total = tail.item(), 0.0
    for t in sorted(range(len(r)), key=lambda t: r[t].item()):
        taken = min(room, w[t].item())
        total = total - taken * r[t]
        room -= taken
    return total / tail


def differential(loss, r, w):
    a = torch.tensor(float(loss.initial_mean), dtype=torch.float64)
    b = torch.tensor(float(loss.initial_square), dtype=torch.float64)
    terms = []
    for rt, wt in zip(r, w, strict=True):
        if not loss.full_gradient:
            a, b = a.detach(), b.detach()
        v = b - a * a
        usable = v > 1e-12
        terms.append(-wt * (b * (rt - a) - a * (rt**2 - b) / 2) / v**1.5 if usable else 0 * rt)
        a, b = a + loss.eta * (rt - a), b + loss.eta * (rt**2 - b)
    return torch.stack(terms)


CASES = [
    (ProfitBasedLoss(cost=0.01), profit),
    (ProfitBasedLoss(cost=0.02, position="softmax"), profit),
    (ProfitBasedLoss(cost=0.01, position="clip", initial_position=0.5, absent="carry"), profit),
    (SharpeLoss(cost=0.01, periods_per_year=252.0, risk_free=0.001), sharpe),
    (SharpeLoss(position="identity", ddof=0), sharpe),
    (SharpeLoss(cost=0.01, initial_position=-0.3, position="clip"), sharpe),
    (SharpeLoss(cost=0.003, position="softmax"), sharpe),
    (SharpeLoss(cost=0.01, pooled=True), sharpe),
    (SharpeLoss(cost=0.01, pooled=True, target_volatility=0.1, absent="carry"), sharpe),
    (SortinoLoss(cost=0.01, target=0.002), sortino),
    (MaxDrawdownLoss(cost=0.01), drawdown),
    (MaxDrawdownLoss(cost=0.01, compounding=False), drawdown),
    (CalmarLoss(cost=0.01, periods_per_year=12.0), calmar),
    (CRRALoss(cost=0.01), crra),
    (CRRALoss(cost=0.01, gamma=5.0, absent="carry"), crra),
    (CVaRLoss(cost=0.01, alpha=0.7), cvar),
    (DifferentialSharpeLoss(cost=0.01, eta=0.2), differential),
    (DifferentialSharpeLoss(eta=0.2, full_gradient=True, initial_mean=0.01, initial_square=0.02), differential),
]
IDS = [repr(loss) for loss, _ in CASES]


def oracle(loss, of_returns, s, y, w, dates, assets, volatility, reduction):
    score = torch.tensor(np.asarray(s, dtype=float), requires_grad=True)
    r, of = broker(loss, score, y, dates, assets, volatility)
    weight = torch.tensor([float(w[np.flatnonzero(dates == d)[0]]) for d in of], dtype=torch.float64)
    if len(r) == 0 or (reduction == "mean" and weight.sum() == 0):
        return "nothing"
    if loss.least > 1 and (weight > 0).sum() < loss.least:
        return "few"
    if loss.refuses_ruin and (r <= -1).any():
        return "ruin"
    terms = of_returns(loss, r, weight)
    if terms.ndim:
        terms = terms.sum() / {"mean": weight.sum(), "mean_n": len(r), "sum": 1.0}[reduction]
    terms.backward()
    return terms.item(), score.grad.numpy(), r.detach().numpy()


@st.composite
def panels(draw):
    """Distinct (date, asset) rows in any order, some balanced; returns of some per cent; weights per date."""
    n_dates, n_assets = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    cells = [(d * d - 3, 10 * a) for d in range(n_dates) for a in range(n_assets)]
    if not draw(st.booleans()):
        cells = [cell for cell in cells if draw(st.integers(0, 3))] or cells[:1]
    if draw(st.booleans()):
        cells = draw(st.permutations(cells))
    dates, assets = (np.array(column) for column in zip(*cells, strict=True))
    n = len(cells)
    # No two positions are equal, where turnover has a kink and gradients differ by convention or rounding.
    base = np.array(draw(st.permutations(range(n))))
    s = (2 * base - n + 0.25) / (2 * n) * draw(st.sampled_from([0.5, 1.7, 3.0]))
    noise = draw(st.integers(0, 2**31))
    s = s * np.random.default_rng(noise + 2).uniform(0.7, 1.3, n)
    y = np.random.default_rng(noise).normal(0.003, 0.08, n)
    if draw(st.booleans()):
        y[np.random.default_rng(noise).random(n) < 0.2] = np.nan
    w = np.take([0.5, 1.0, 3.0, 0.0, 2.0], dates % 5) if draw(st.booleans()) else None
    volatility = np.random.default_rng(noise + 1).uniform(0.05, 0.4, n)
    return s, y, w, dates, assets, volatility, draw(st.sampled_from([np.float64, np.float32]))


@pytest.mark.parametrize(("loss", "of_returns"), CASES, ids=IDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_the_broker(loss, of_returns, data):
    s, y, w, dates, assets, volatility, dtype = data.draw(panels())
    s, weight = s.astype(dtype), np.ones(len(y)) if w is None else w
    scaled = getattr(loss, "target_volatility", None) is not None
    extra = {"volatility": volatility} if scaled else {}
    # The core reads targets in the width of the predictions.
    y = y.astype(dtype).astype(float)
    index = GroupIndex(dates, assets)
    for reduction in loss.reductions:
        used = dataclasses.replace(loss, reduction=reduction, nan_policy="omit")
        expected = oracle(loss, of_returns, s, y, weight, dates, assets, volatility if scaled else None, reduction)
        if isinstance(expected, str):
            if reduction == "mean":
                match = {"nothing": "undefined", "few": "too few", "ruin": "nothing is left"}[expected]
                with pytest.raises(LossError, match=match):
                    used(y, s, sample_weight=w, groups=dates, assets=assets, **extra)
            continue
        value, gradient = used.value_and_grad(y, s, sample_weight=w, groups=dates, assets=assets, **extra)
        rtol = 1e-10 if dtype == np.float64 else 2e-4
        scale = np.abs(expected[1]).max()
        # Ratios of a deviation near 0 magnify what returns lose.
        if dtype == np.float64 or np.abs(expected[0]) < 1e3:
            np.testing.assert_allclose(value, expected[0], rtol=rtol, atol=rtol)
            np.testing.assert_allclose(gradient, expected[1], rtol=rtol, atol=rtol * max(scale, 1e-2))
        assert gradient.dtype == dtype
        assert used(y, s, sample_weight=w, groups=index, **extra) == value
        assert (gradient[np.isnan(y)] == 0).all()
        returns = used.returns(y, s, groups=index, **extra)
        np.testing.assert_allclose(returns, expected[2], rtol=rtol, atol=1e-14 if dtype == np.float64 else 1e-6)


@pytest.mark.parametrize(("loss", "of_returns"), CASES, ids=IDS)
def test_contract(loss, of_returns):
    ran = check_loss(loss)
    assert {"gradient", "weights", "permutation", "torch"} <= set(ran)


def test_contract_finds_a_wrong_gradient(monkeypatch):
    right = SharpeLoss._value_and_grad

    def wrong(self, inputs, gradient):
        value = right(self, inputs, gradient)
        gradient *= 1.001
        return value

    monkeypatch.setattr(SharpeLoss, "_value_and_grad", wrong)
    with pytest.raises(AssertionError, match="fails gradient"):
        check_loss(SharpeLoss(cost=0.001))


def test_large_panels_equal_the_composition():
    """Many tasks, balanced and not, sorted and not."""
    from tradewright.loss_functions.adapters import torch_operators

    rng = np.random.default_rng(3)
    dates, assets = np.repeat(np.arange(600), 97), np.tile(np.arange(97), 600)
    for keep, shuffle in ((1.0, False), (0.9, False), (1.0, True), (0.9, True)):
        rows = np.flatnonzero(rng.random(len(dates)) < keep)
        if shuffle:
            rng.shuffle(rows)
        d, a = dates[rows], assets[rows]
        s, y = rng.normal(size=len(rows)), rng.normal(0.0, 0.02, len(rows))
        for loss, _ in CASES:
            if getattr(loss, "target_volatility", None) is not None:
                continue
            prediction = torch.tensor(s, requires_grad=True)
            given = {"groups": torch.tensor(d), "assets": torch.tensor(a)}
            composed = torch_operators.compose(loss, torch.tensor(y), prediction, given, check=True)
            composed.backward()
            value, gradient = loss.value_and_grad(y, s, groups=d, assets=a)
            expected = prediction.grad.numpy()
            np.testing.assert_allclose(value, composed.item(), rtol=1e-9, err_msg=repr(loss))
            # A different order of the same additions may choose the neighbour of a peak or of the border of a tail.
            np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())


def test_one_asset_needs_no_ids():
    rng = np.random.default_rng(0)
    y, s = rng.normal(0, 0.01, 50), rng.normal(size=50)
    loss = SharpeLoss(cost=0.001)
    assert loss(y, s) == loss(y, s, groups=np.arange(50), assets=np.zeros(50))
    assert loss(y, s) == loss(y, s, groups=np.arange(50))
    backwards = loss.value_and_grad(y[::-1], s[::-1].copy(), groups=-np.arange(50))
    # Rows in another order are gathered, and added up in another one.
    np.testing.assert_allclose(loss.value_and_grad(y, s)[1], backwards[1][::-1], rtol=1e-12)


def test_a_flip_costs_twice_the_cost():
    loss = ProfitBasedLoss(position="identity", cost=0.01)
    np.testing.assert_allclose(loss.returns([0.0, 0.0], [1.0, -1.0]), [-0.01, -0.02])


def test_sharpe_without_deviation():
    loss = SharpeLoss(position="identity", eps=1e-4)
    value, gradient = loss.value_and_grad([0.01, 0.01, 0.01], np.ones(3))
    assert value == pytest.approx(-0.01 / 1e-4)
    np.testing.assert_allclose(gradient, -0.01 / 3 / 1e-4)
    # One that is rounding alone is none.
    thirds = np.full((3, 7), 1 / 3)
    thirds[1] *= [1, 1, 1, 1 + 1e-16, 1, 1 - 1e-16, 1]
    value = loss(thirds.ravel(), np.ones(21), groups=np.repeat([0, 1, 2], 7))
    assert value == pytest.approx(-1 / 3 / 1e-4)


@pytest.mark.parametrize("factor", [0.1, 7.0])
def test_sharpe_has_no_scale(factor):
    rng = np.random.default_rng(5)
    y, s = rng.normal(0.001, 0.01, 300), rng.normal(size=300)
    loss = SharpeLoss(position="identity", cost=0.0005, eps=1e-300)
    value, gradient = loss.value_and_grad(y, s)
    scaled, slope = loss.value_and_grad(y, s * factor)
    assert scaled == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(slope * factor, gradient, rtol=1e-9, atol=1e-12)
    assert gradient @ s == pytest.approx(0.0, abs=1e-12)


def test_scale_free_losses_start_off_zero():
    y = np.zeros(3)
    for loss in (SharpeLoss(), SortinoLoss(), CalmarLoss(), DifferentialSharpeLoss()):
        assert loss.init_score(y) == 0.001
    for loss in (ProfitBasedLoss(), MaxDrawdownLoss(), CRRALoss(), CVaRLoss()):
        assert loss.init_score(y) == 0.0


def test_curvatures():
    rng = np.random.default_rng(2)
    y, s = rng.normal(0.001, 0.02, 60), rng.normal(size=60)
    dates, assets = np.repeat(np.arange(20), 3), np.tile(np.arange(3), 20)
    r = ProfitBasedLoss().returns(y, s, groups=dates, assets=assets)
    slope = (1 - np.tanh(s) ** 2) * y / 3
    _, h = CRRALoss(gamma=3.0).grad_hess(y, s, groups=dates, assets=assets)
    np.testing.assert_allclose(h, np.maximum(3.0 * (1 + np.repeat(r, 3)) ** -4.0 * slope**2, 1e-6), rtol=1e-10)
    _, h = SharpeLoss(periods_per_year=1e6).grad_hess(y, s, groups=dates, assets=assets)
    expected = 1e6 / 20 / (r.std(ddof=1) + 1e-8) ** 2 * slope**2
    np.testing.assert_allclose(h, np.maximum(expected, 1e-6), rtol=1e-10)
    for loss in (ProfitBasedLoss(), SharpeLoss(hessian="constant"), CVaRLoss()):
        assert (loss.grad_hess(y, s, groups=dates, assets=assets)[1] == 1).all()


def test_same_bits_at_any_thread_count():
    rng = np.random.default_rng(1)
    dates, assets = np.repeat(np.arange(2_000), 60), np.tile(np.arange(60), 2_000)
    keep = rng.random(len(dates)) < 0.95
    before = _core.num_threads()
    for rows in (slice(None), keep):
        index = GroupIndex(dates[rows], assets[rows])
        n = index.rows
        s, y = rng.normal(size=n).astype(np.float32), rng.normal(0, 0.01, n).astype(np.float32)
        for loss, _ in CASES:
            if getattr(loss, "target_volatility", None) is not None:
                continue
            seen = set()
            try:
                for threads in (1, 2, 3):
                    _core.set_num_threads(threads)
                    value, gradient = loss.value_and_grad(y, s, groups=index)
                    seen.add((value, gradient.tobytes()))
            finally:
                _core.set_num_threads(before)
            assert len(seen) == 1, loss


class TestBadInput:
    def test_ruin_names_the_date(self):
        dates = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]")
        for loss in (CRRALoss(position="identity"), MaxDrawdownLoss(position="identity"), CalmarLoss()):
            with pytest.raises(LossError, match="date 2024-01-03: the portfolio return is -") as caught:
                loss([0.1, -1.5], [1.0, 99.0], groups=dates)
            assert caught.value.fields["date"] == np.datetime64("2024-01-03")
        additive = MaxDrawdownLoss(position="identity", compounding=False)
        assert additive([0.1, -1.5], [1.0, 1.0]) == pytest.approx(1.5 / 1.1)

    def test_too_few_dates(self):
        with pytest.raises(LossError, match="1 returns are too few, this loss needs 2"):
            SharpeLoss()([0.1], [1.0])
        with pytest.raises(LossError, match="too few"):
            SharpeLoss()([0.1, 0.2], [1.0, 1.0], sample_weight=[1.0, 0.0])
        with pytest.raises(LossError, match="undefined"):
            ProfitBasedLoss()([0.1, 0.2], [1.0, 1.0], sample_weight=[0.0, 0.0])

    def test_assets_are_needed_for_costs(self):
        with pytest.raises(LossError, match="row 1: date d has another row; pass assets="):
            ProfitBasedLoss(cost=0.1)([0.1, 0.2], [1.0, 1.0], groups=["d", "d"])
        assert ProfitBasedLoss(position="identity")([0.1, 0.2], [1.0, 1.0], groups=["d", "d"]) == pytest.approx(-0.15)
        with pytest.raises(LossError, match="pass groups="):
            ProfitBasedLoss()([0.1, 0.2], [1.0, 1.0], assets=[1, 2])

    def test_weights_differ_on_a_date(self):
        with pytest.raises(LossError, match="row 1: the weight is 2"):
            ProfitBasedLoss()([0.1, 0.2], [1.0, 1.0], groups=[1, 1], sample_weight=[1.0, 2.0])

    def test_volatility(self):
        loss = SharpeLoss(pooled=True, target_volatility=0.1)
        with pytest.raises(LossError, match="volatility= is missing"):
            loss([0.1, 0.2], [1.0, 1.0])
        with pytest.raises(LossError, match="row 1: the volatility is 0"):
            loss([0.1, 0.2], [1.0, 1.0], volatility=[0.1, 0.0])
        with pytest.raises(LossError, match="is not used"):
            SharpeLoss()([0.1, 0.2], [1.0, 1.0], volatility=[0.1, 0.1])
        with pytest.raises(ParameterError, match="takes no argument 'volatility'"):
            ProfitBasedLoss()([0.1, 0.2], [1.0, 1.0], volatility=[0.1, 0.1])

    @pytest.mark.parametrize(
        ("make", "name"),
        [
            (lambda: ProfitBasedLoss(cost=-0.1), "cost"),
            (lambda: ProfitBasedLoss(position="sign"), "position"),
            (lambda: ProfitBasedLoss(absent="keep"), "absent"),
            (lambda: ProfitBasedLoss(initial_position=math.nan), "initial_position"),
            (lambda: ProfitBasedLoss(reduction="none"), "reduction"),
            (lambda: SharpeLoss(reduction="sum"), "reduction"),
            (lambda: SharpeLoss(ddof=-1), "ddof"),
            (lambda: SharpeLoss(eps=0.0), "eps"),
            (lambda: SharpeLoss(periods_per_year=0), "periods_per_year"),
            (lambda: SharpeLoss(target_volatility=0.1), "target_volatility"),
            (lambda: CRRALoss(gamma=-1.0), "gamma"),
            (lambda: CVaRLoss(alpha=1.0), "alpha"),
            (lambda: DifferentialSharpeLoss(eta=0.0), "eta"),
            (lambda: MaxDrawdownLoss(compounding=None), "compounding"),
        ],
    )
    def test_parameters(self, make, name):
        with pytest.raises(ParameterError, match=name):
            make()


def test_registry():
    names = LossRegistry.search("series")
    assert names == [
        "calmar_loss",
        "crra_loss",
        "cvar_loss",
        "differential_sharpe",
        "max_drawdown_loss",
        "profit_based_loss",
        "sharpe_loss",
        "sortino_loss",
    ]
    assert LossRegistry.create("sharpe_loss", cost=0.001) == SharpeLoss(cost=0.001)
