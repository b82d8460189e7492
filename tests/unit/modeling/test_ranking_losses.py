"""Ranking losses against the formulas written plainly, group by group, and differentiated by torch in float64."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from tradewright import LossRegistry, _core  # noqa: E402
from tradewright.errors import LossError, ParameterError  # noqa: E402
from tradewright.loss_functions import (  # noqa: E402
    ApproxNDCGLoss,
    GroupIndex,
    ICLoss,
    LambdaRankLoss,
    ListMLELoss,
    ListNetLoss,
    PairwiseHingeLoss,
    PairwiseLogisticLoss,
    SoftSpearmanLoss,
)
from tradewright.testing import check_loss  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*groups were skipped:RuntimeWarning")


# --- one group at a time: (value, mass, count), or None where the group is skipped ----------------------------------


def pairs_of(y):
    return [(i, j) for i in range(len(y)) for j in range(len(y)) if y[i] > y[j]]


def pairwise(each):
    def term(loss, s, y, w):
        pairs = pairs_of(y)
        if not pairs:
            return None
        gap = [y[i] - y[j] if loss.pair_weight else 1.0 for i, j in pairs]
        losses = torch.stack([w[i] * w[j] * g * each(loss, s[i] - s[j]) for (i, j), g in zip(pairs, gap, strict=True)])
        mass = sum(w[i] * w[j] for i, j in pairs)
        if loss.average == "pairs":
            return losses.sum(), mass, len(pairs)
        return (losses.sum() / mass, 1.0, 1.0) if mass > 0 else (losses.sum() * 0, 0.0, 1.0)

    return term


def softplus(x):
    return torch.logaddexp(x, torch.zeros_like(x))


def gain_of(loss, y):
    return [2.0**v - 1 for v in y] if loss.gain == "exp2" else [v - min(0.0, *y) for v in y]


def ideal_dcg(gains, truncation=None):
    ordered = sorted(gains, reverse=True)[:truncation]
    return sum(g / math.log2(rank + 2) for rank, g in enumerate(ordered))


def lambdarank(loss, s, y, w):
    pairs = pairs_of(y)
    if not pairs:
        return None
    gains, n, fixed = gain_of(loss, y), len(y), s.detach()
    at = sorted(range(n), key=lambda i: -float(fixed[i]))
    keep = n if loss.truncation is None else loss.truncation
    d = [0.0] * n
    for rank, i in enumerate(at):
        d[i] = 1 / math.log2(rank + 2) if rank < keep else 0.0
    ideal, k = ideal_dcg(gains, loss.truncation), loss.sharpness
    varies = len({float(v) for v in fixed}) > 1
    value, slopes = torch.zeros((), dtype=torch.float64), 0.0
    for i, j in pairs:
        gap = float(fixed[i] - fixed[j])
        delta = abs(gains[i] - gains[j]) * abs(d[i] - d[j]) / ideal
        if loss.normalize and varies:
            delta /= 0.01 + abs(gap)
        value = value + delta * softplus(-k * (s[i] - s[j]))
        slopes += 2 * k * delta * float(torch.sigmoid(-k * (fixed[i] - fixed[j])))
    if loss.normalize and slopes > 0:
        value = value * math.log2(1 + slopes) / slopes
    return value, 1.0, 1.0


def listnet(loss, s, y, w):
    q = torch.softmax(torch.tensor(y, dtype=torch.float64) / loss.temperature, 0)
    return -(q * torch.log_softmax(s, 0)).sum(), 1.0, 1.0


def listmle(loss, s, y, w):
    order = sorted(range(len(y)), key=lambda i: -y[i])
    value = sum(torch.logsumexp(s[order[k:]], 0) - s[order[k]] for k in range(len(y)))
    return value, 1.0, 1.0


def approx_ndcg(loss, s, y, w):
    if len(set(y)) == 1:
        return None
    gains = torch.tensor(gain_of(loss, y), dtype=torch.float64)
    ranks = 0.5 + torch.sigmoid((s[None, :] - s[:, None]) / loss.temperature).sum(1)
    return -(gains / torch.log2(1 + ranks)).sum() / ideal_dcg(gains.tolist()), 1.0, 1.0


def weighted_corr(a, b, w):
    a, b = a - (w * a).sum() / w.sum(), b - (w * b).sum() / w.sum()
    return (w * a * b).sum() / torch.sqrt((w * a * a).sum() * (w * b * b).sum())


def ic(loss, s, y, w):
    heavy = [i for i in range(len(y)) if w[i] > 0] or list(range(len(y)))
    if len({y[i] for i in heavy}) == 1 or len({float(s.detach()[i]) for i in heavy}) == 1:
        return None
    if sum(w) == 0:
        return s.sum() * 0, 0.0, 1.0
    w = torch.tensor(w, dtype=torch.float64)
    return -weighted_corr(s, torch.tensor(y, dtype=torch.float64), w), 1.0, 1.0


def soft_spearman(loss, s, y, w):
    if len(set(y)) == 1 or len({float(v) for v in s.detach()}) == 1:
        return None
    soft = 0.5 + torch.sigmoid((s[:, None] - s[None, :]) / loss.temperature).sum(1)
    rank = [sum(b < a for b in y) + (sum(b == a for b in y) + 1) / 2 for a in y]
    rank = torch.tensor(rank, dtype=torch.float64)
    return -weighted_corr(soft, rank, torch.ones_like(rank)), 1.0, 1.0


logistic = pairwise(lambda loss, d: softplus(-loss.sharpness * d))
hinge = pairwise(lambda loss, d: torch.relu(loss.margin - d))

CASES = [
    (PairwiseLogisticLoss(), logistic),
    (PairwiseLogisticLoss(sharpness=2.5, average="pairs"), logistic),
    (PairwiseLogisticLoss(pair_weight="target_gap"), logistic),
    (PairwiseHingeLoss(), hinge),
    (PairwiseHingeLoss(margin=0.3, average="pairs"), hinge),
    (PairwiseHingeLoss(margin=2.0, pair_weight="target_gap"), hinge),
    (LambdaRankLoss(), lambdarank),
    (LambdaRankLoss(sharpness=0.5, truncation=3), lambdarank),
    (LambdaRankLoss(gain="linear", normalize=True), lambdarank),
    (ListNetLoss(), listnet),
    (ListNetLoss(temperature=0.4), listnet),
    (ListMLELoss(), listmle),
    (ApproxNDCGLoss(), approx_ndcg),
    (ApproxNDCGLoss(temperature=1.0, gain="linear"), approx_ndcg),
    (ICLoss(), ic),
    (SoftSpearmanLoss(), soft_spearman),
    (SoftSpearmanLoss(temperature=2.0), soft_spearman),
]
IDS = [repr(loss) for loss, _ in CASES]


def oracle(loss, term, s, y, w, groups, reduction):
    """Value, gradient, and the values of groups; rows without a target are left out."""
    score = torch.tensor(np.asarray(s, dtype=float), requires_grad=True)
    total, mass, count, each, rows = 0.0, 0.0, 0.0, {}, 0
    for g in np.unique(groups):
        rows_of = [i for i in np.flatnonzero(groups == g) if not np.isnan(y[i])]
        each[g] = 0.0
        if not rows_of:
            continue
        rows += len(rows_of)
        inner = [float(w[i]) for i in rows_of] if loss.row_weights else [1.0] * len(rows_of)
        found = term(loss, score[rows_of], [float(y[i]) for i in rows_of], inner)
        if found is None:
            continue
        outer = 1.0 if loss.row_weights else float(w[rows_of[0]])
        each[g] = outer * found[0].item()
        total = total + outer * found[0]
        mass, count = mass + outer * found[1], count + found[2]
    divisor = {"mean": mass, "mean_n": count, "sum": 1.0}[reduction]
    if rows == 0 or (reduction == "mean" and count > 0 and mass == 0):
        return None
    if count == 0:
        return 0.0, np.zeros(len(y)), list(each.values())
    value = total / divisor
    value.backward()
    return value.item(), score.grad.numpy(), list(each.values())


@st.composite
def panels(draw, relevance, row_weights):
    """Ragged groups of scattered rows, ties on both sides, missing targets, weights with zeros, both widths."""
    n = draw(st.integers(1, 40))
    groups = np.array(draw(st.lists(st.integers(-3, 5), min_size=n, max_size=n)))
    scale = draw(st.sampled_from([0.01, 1.0, 30.0]))
    s = scale * np.array(draw(st.lists(st.integers(-40, 40), min_size=n, max_size=n))) / 16
    levels = st.integers(0, 4) if relevance else st.integers(-20, 20).map(lambda k: k / 8)
    y = np.array(draw(st.lists(st.one_of(levels, levels, levels, st.just(np.nan)), min_size=n, max_size=n)), float)
    if row_weights:
        w = np.array(draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=n, max_size=n)))
    else:
        w = np.take([0.0, 0.5, 1.0, 3.0, 2.0], groups % 5)
    if draw(st.booleans()):
        order = np.argsort(groups, kind="stable")
        groups, s, y, w = groups[order], s[order], y[order], w[order]
    return s, y, w if draw(st.booleans()) else None, groups, draw(st.sampled_from([np.float64, np.float32]))


@pytest.mark.parametrize(("loss", "term"), CASES, ids=IDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_the_oracle(loss, term, data):
    import dataclasses

    s, y, w, groups, dtype = data.draw(panels(loss.targets == "relevance", loss.row_weights))
    s = s.astype(dtype)
    weight = np.ones(len(y)) if w is None else w
    index = GroupIndex(groups)
    for reduction in ("mean", "mean_n", "sum"):
        used = dataclasses.replace(loss, reduction=reduction, nan_policy="omit")
        expected = oracle(loss, term, s, y, weight, groups, reduction)
        if expected is None:
            if reduction == "mean":
                with pytest.raises(LossError, match="undefined"):
                    used(y, s, sample_weight=w, groups=groups)
            continue
        value, gradient = used.value_and_grad(y, s, sample_weight=w, groups=groups)
        rtol = 1e-10 if dtype == np.float64 else 3e-5
        # Far out both routes are rounding alone.
        scale = max(0.1, np.abs(expected[1]).max())
        np.testing.assert_allclose(value, expected[0], rtol=rtol, atol=rtol)
        np.testing.assert_allclose(gradient, expected[1], rtol=rtol, atol=rtol * scale * (1 if rtol < 1e-6 else 5))
        assert gradient.dtype == dtype
        assert used(y, s, sample_weight=w, groups=index) == value
        each, slopes = dataclasses.replace(used, reduction="none").value_and_grad(y, s, sample_weight=w, groups=index)
        np.testing.assert_allclose(each, expected[2], rtol=rtol, atol=10 * rtol)
        if reduction == "sum":
            np.testing.assert_allclose(slopes, gradient, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("loss", "term"), CASES, ids=IDS)
def test_large_groups_equal_the_composition(loss, term):
    """Groups of several tiles and lanes, where the plain loops would take minutes; torch's matrices are the oracle."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 4, 500)
    y = rng.integers(0, 5, 500).astype(float) if loss.targets == "relevance" else rng.normal(size=500).round(1)
    for spread in (0.5, 8.0, 400.0):
        s = rng.normal(size=500) * spread
        prediction = torch.tensor(s, requires_grad=True)
        from tradewright.loss_functions.adapters import torch_operators

        composed = torch_operators.compose(
            loss, torch.tensor(y), prediction, {"groups": torch.tensor(groups)}, check=True
        )
        composed.backward()
        for dtype, rtol in ((np.float64, 1e-10), (np.float32, 2e-4)):
            value, gradient = loss.value_and_grad(y, s.astype(dtype), groups=groups)
            expected = prediction.grad.numpy()
            np.testing.assert_allclose(value, composed.item(), rtol=rtol)
            np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize(("loss", "term"), CASES, ids=IDS)
def test_contract(loss, term):
    ran = check_loss(loss)
    assert {"gradient", "weights", "permutation", "torch"} <= set(ran)


def test_contract_finds_a_wrong_gradient(monkeypatch):
    right = ListNetLoss._value_and_grad

    def wrong(self, inputs, gradient):
        value = right(self, inputs, gradient)
        gradient *= 1.001
        return value

    monkeypatch.setattr(ListNetLoss, "_value_and_grad", wrong)
    with pytest.raises(AssertionError, match="fails gradient"):
        check_loss(ListNetLoss())


def test_curvatures_of_their_own():
    """What boosting takes where no name of a curvature says it: active pairs of the hinge, 1/|sc|² of the correlation."""
    rng = np.random.default_rng(7)
    groups, s, y, w = (
        rng.integers(0, 8, 80),
        rng.normal(size=80),
        rng.normal(size=80).round(1),
        rng.choice([0.5, 2.0], 80),
    )
    active, scale = np.zeros(80), np.zeros(80)
    for g in np.unique(groups):
        rows = np.flatnonzero(groups == g)
        pairs = [(i, j) for i in rows for j in rows if y[i] > y[j]]
        mass = sum(w[i] * w[j] for i, j in pairs)
        for i, j in pairs:
            if s[i] - s[j] < 1.0:
                active[i] += w[i] * w[j] / mass
                active[j] += w[i] * w[j] / mass
        centred = s[rows] - np.average(s[rows], weights=w[rows])
        scale[rows] = w[rows] / (w[rows] * centred**2).sum()
    for loss, expected in ((PairwiseHingeLoss(), active), (ICLoss(), scale)):
        hessian = loss.grad_hess(y, s, sample_weight=w, groups=groups)[1]
        np.testing.assert_allclose(hessian, np.maximum(expected, 1e-6 * w), rtol=1e-9)


@pytest.mark.parametrize("make", [PairwiseLogisticLoss, ListNetLoss, ListMLELoss, LambdaRankLoss])
def test_convex_losses_have_one_curvature(make):
    rng = np.random.default_rng(8)
    groups, s, y = rng.integers(0, 6, 50), rng.normal(size=50), rng.integers(0, 4, 50)
    exact, *others = (
        make(hessian=choice).grad_hess(y, s, groups=groups)[1] for choice in ("exact", "gauss_newton", "abs", None)
    )
    for other in others:
        np.testing.assert_array_equal(other, exact)


def test_known_values():
    # LOSSES: allRank gives 1455 and plain single precision -inf.
    value = ListMLELoss()([4, 3, 2, 1], [499.0, 500.0, -500.0, 0.0], groups=[0] * 4)
    expected = math.log(1 + math.e) + 0 + 500  # 499, 500 | 500 alone | -500, 0
    assert value == pytest.approx(expected, rel=1e-12)
    # Two rows a distance of 40 apart: the loss is e^-40 and not 0.
    tiny = PairwiseLogisticLoss()([1.0, 0.0], [40.0, 0.0], groups=[0, 0])
    assert tiny == pytest.approx(math.exp(-40), rel=1e-12)
    far = PairwiseLogisticLoss()([1.0, 0.0], [-1000.0, 1000.0], groups=[0, 0])
    assert far == 2000.0
    assert LambdaRankLoss()([1, 0], [0.0, 1.0], groups=[0, 0]) == pytest.approx(
        (1 - 1 / math.log2(3)) * math.log1p(math.e), rel=1e-12
    )


def test_float32_targets_that_only_doubles_tell_apart():
    y = np.array([1.0, 1.0 + 1e-12])
    assert PairwiseLogisticLoss().count_groups(y, np.zeros(2, np.float32), groups=[0, 0]) == (1, 0)


def test_same_bits_at_any_thread_count():
    rng = np.random.default_rng(1)
    n = 120_000
    groups, y = rng.integers(0, 600, n), rng.integers(0, 4, n).astype(float)
    s = rng.normal(size=n).astype(np.float32)
    before = _core.num_threads()
    for loss, _ in CASES:
        seen = set()
        try:
            for threads in (1, 2, 3):
                _core.set_num_threads(threads)
                value, gradient = loss.value_and_grad(y, s, groups=groups)
                seen.add((value, gradient.tobytes()))
        finally:
            _core.set_num_threads(before)
        assert len(seen) == 1, loss


def test_all_groups_skipped_warns_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value, gradient = PairwiseLogisticLoss().value_and_grad([1.0, 1.0, 2.0], np.zeros(3), groups=[0, 0, 1])
    assert (value, gradient.tolist()) == (0.0, [0.0, 0.0, 0.0])
    assert [str(w.message)[:50] for w in caught] == ["PairwiseLogisticLoss: all 2 groups were skipped, s"]
    assert PairwiseLogisticLoss().count_groups([1.0, 0.0, 2.0], np.zeros(3), groups=[0, 0, 1]) == (1, 1)


class TestBadInput:
    def test_groups_are_needed(self):
        with pytest.raises(LossError, match="pass groups="):
            ICLoss()([1.0, 2.0], [1.0, 2.0])

    def test_groups_of_another_length(self):
        with pytest.raises(LossError, match="groups has shape"):
            ICLoss()([1.0, 2.0], [1.0, 2.0], groups=[1])
        with pytest.raises(LossError, match="index of 3 rows, y_pred has 2"):
            ICLoss()([1.0, 2.0], [1.0, 2.0], groups=GroupIndex([1, 1, 1]))
        with pytest.raises(LossError, match="pass GroupIndex"):
            ICLoss()([1.0, 2.0], [1.0, 2.0], groups=GroupIndex([1, 1]), assets=[1, 2])

    def test_weights_that_differ_inside_a_group_name_it(self):
        dates = np.array(["2024-01-02", "2024-01-03", "2024-01-03"], dtype="datetime64[D]")
        with pytest.raises(LossError, match=r"row 2: .* group 2024-01-03 have 1") as caught:
            ListNetLoss()([1.0, 2.0, 3.0], np.zeros(3), sample_weight=[1, 1, 2], groups=dates)
        assert caught.value.fields["group"] == np.datetime64("2024-01-03")
        with pytest.raises(LossError, match="group two have 1"):
            ListNetLoss()([1.0, 2.0, 3.0], np.zeros(3), sample_weight=[1, 1, 2], groups=["one", "two", "two"])

    def test_graded_relevances(self):
        with pytest.raises(LossError, match=r"row 1: the target is 0.5.*gain=\"linear\""):
            LambdaRankLoss()([1, 0.5], [0.0, 0.0], groups=[1, 1])
        with pytest.raises(LossError, match="row 0: the target is 31"):
            ApproxNDCGLoss()([31, 0], [0.0, 0.0], groups=[1, 1])

    @pytest.mark.parametrize(
        ("make", "name"),
        [
            (lambda: PairwiseLogisticLoss(sharpness=0.0), "sharpness"),
            (lambda: PairwiseLogisticLoss(average="all"), "average"),
            (lambda: PairwiseLogisticLoss(pair_weight="gap"), "pair_weight"),
            (lambda: PairwiseHingeLoss(margin=-1.0), "margin"),
            (lambda: LambdaRankLoss(truncation=0), "truncation"),
            (lambda: LambdaRankLoss(gain="log"), "gain"),
            (lambda: LambdaRankLoss(normalize=1), "normalize"),
            (lambda: ListNetLoss(temperature=math.inf), "temperature"),
            (lambda: ApproxNDCGLoss(temperature=True), "temperature"),
            (lambda: ICLoss(hessian="exact"), "hessian"),
            (lambda: SoftSpearmanLoss(reduction="median"), "reduction"),
        ],
    )
    def test_parameters(self, make, name):
        with pytest.raises(ParameterError, match=name):
            make()


def test_registry():
    made = {name: type(LossRegistry.create(name)).__name__ for name in LossRegistry.search("ranking")}
    assert made == {
        "approx_ndcg": "ApproxNDCGLoss",
        "ic": "ICLoss",
        "lambdarank": "LambdaRankLoss",
        "listmle": "ListMLELoss",
        "listwise": "ListNetLoss",
        "pairwise": "PairwiseLogisticLoss",
        "pairwise_hinge": "PairwiseHingeLoss",
        "soft_spearman": "SoftSpearmanLoss",
    }
