"""Losses on arrays: an obvious numpy twin of each formula is the oracle."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, mean_squared_error

from tradewright import _core
from tradewright.errors import LossError, ParameterError, RegistryError, UnknownNameError, UnsupportedError
from tradewright.loss_functions import (
    MADL,
    BaseLoss,
    BinaryCrossEntropy,
    CostSensitiveLoss,
    DirectionalLoss,
    FocalLoss,
    HuberLoss,
    LabelSmoothingBCE,
    LossRegistry,
    MAELoss,
    MSELoss,
    PseudoHuberLoss,
    QuantileLoss,
    WeightedBCE,
)
from tradewright.testing import check_loss

LOSSES = [
    BinaryCrossEntropy(),
    BinaryCrossEntropy(from_logits=False),
    BinaryCrossEntropy(reduction="sum", nan_policy="omit", hessian="constant"),
    MSELoss(),
    MSELoss(reduction="mean_n"),
    MSELoss(reduction="none"),
    MAELoss(),
    HuberLoss(delta=2.0),
    HuberLoss(reduction="sum", hessian="exact"),
    PseudoHuberLoss(delta=0.7),
    QuantileLoss(quantiles=0.9),
    QuantileLoss(quantiles=(0.1, 0.5, 0.9)),
    QuantileLoss(quantiles=(0.9, 0.1), reduction="none", nan_policy="omit"),
    FocalLoss(),
    FocalLoss(gamma=0.5, alpha=None),
    FocalLoss(gamma=0.0),
    FocalLoss(gamma=1.0, alpha=0.7, hessian="exact"),
    LabelSmoothingBCE(),
    WeightedBCE(pos_weight=3.0),
    CostSensitiveLoss(cost_fp=2.0, cost_fn=5.0),
    CostSensitiveLoss(form="expected", cost_fp=2.0, cost_tp=-1.0),
    DirectionalLoss(),
    DirectionalLoss(kind="gmadl"),
    DirectionalLoss(kind="gmadl", a=10.0, b=1.0),
    DirectionalLoss(kind="gmadl", a=100.0, b=1.7),
]


def bce_twin(y, s):
    return np.logaddexp(0.0, s) - y * s, 1.0 / (1.0 + np.exp(-s)) - y


def probability_twin(y, p):
    return -(y * np.log(p) + (1 - y) * np.log1p(-p)), (p - y) / (p * (1 - p))


def mse_twin(y, s):
    return (s - y) ** 2, 2 * (s - y)


TWINS = {
    "bce": (BinaryCrossEntropy, bce_twin, (-30, 30), (0, 1)),
    "probability": (lambda **kw: BinaryCrossEntropy(from_logits=False, **kw), probability_twin, (1e-3, 0.999), (0, 1)),
    "mse": (MSELoss, mse_twin, (-1e3, 1e3), (-1e3, 1e3)),
}


def floats(bounds, width):
    low, high = (float(np.float32(b)) for b in bounds)
    return st.floats(low, high, width=width)


@st.composite
def problem(draw, name):
    """Ragged random rows: width, weights with zeros, missing targets, strides."""
    _, _, scores, targets = TWINS[name]
    width = draw(st.sampled_from([32, 64]))
    row = st.tuples(
        floats(scores, width),
        st.one_of(floats(targets, width), st.just(float(targets[0])), st.just(np.nan)),
        st.one_of(st.just(0.0), st.floats(0.01, 8.0)),
    )
    rows = np.array(draw(st.lists(row, min_size=1, max_size=60)))
    # Repeated so that blocks of 1,024 rows are crossed now and then.
    rows = np.tile(rows, (draw(st.sampled_from([1, 1, 40])), 1))
    prediction = rows[:, 0].astype(f"f{width // 8}")
    weight = rows[:, 2] if draw(st.booleans()) else None
    return rows[:, 1], prediction, weight


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_the_twin(name, data):
    make, twin, _, _ = TWINS[name]
    target, prediction, weight = data.draw(problem(name))
    kept = ~np.isnan(target)
    w = np.ones(len(target)) if weight is None else weight
    if w[kept].sum() == 0:
        with pytest.raises(LossError, match="undefined"):
            make(nan_policy="omit")(target, prediction, sample_weight=weight)
        return
    # The core reads the target in the prediction's width.
    y = target.astype(prediction.dtype).astype(float)
    rows, slopes = twin(np.where(kept, y, 0.5), prediction.astype(float))
    tolerance = 1e-12 if prediction.dtype == np.float64 else 3e-5
    weighted = np.where(kept, w * rows, 0.0)
    for reduction, divisor in (("mean", w[kept].sum()), ("mean_n", kept.sum()), ("sum", 1.0)):
        loss = make(reduction=reduction, nan_policy="omit")
        value, gradient = loss.value_and_grad(target, prediction, sample_weight=weight)
        expected = np.where(kept, w * slopes, 0.0) / divisor
        np.testing.assert_allclose(value, weighted.sum() / divisor, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance * max(1.0, abs(expected).max()))
        assert gradient.dtype == prediction.dtype
        assert (gradient[~kept] == 0).all()
        assert loss(target, prediction, sample_weight=weight) == value


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_contract(loss):
    ran = check_loss(loss)
    assert {"gradient", "hessian", "weights", "torch", "boosting"} <= set(ran)


def test_contract_of_a_metric():
    assert "no_gradient" in check_loss(MADL())


def test_contract_wants_a_known_family():
    with pytest.raises(ParameterError, match="no family"):
        check_loss("mse")


def test_contract_finds_a_wrong_gradient(monkeypatch):
    right = MSELoss._value_and_grad

    def wrong(self, inputs, gradient):
        value = right(self, inputs, gradient)
        gradient *= 1.001
        return value

    monkeypatch.setattr(MSELoss, "_value_and_grad", wrong)
    with pytest.raises(AssertionError, match="fails gradient"):
        check_loss(MSELoss())


def test_equals_scikit_learn():
    rng = np.random.default_rng(3)
    s, y, w = rng.normal(size=999) * 4, rng.integers(0, 2, 999), rng.uniform(0, 2, 999)
    p = 1 / (1 + np.exp(-s))
    expected = log_loss(y, p, sample_weight=w)
    assert BinaryCrossEntropy()(y, s, sample_weight=w) == pytest.approx(expected, rel=1e-12)
    assert BinaryCrossEntropy(from_logits=False)(y, p, sample_weight=w) == pytest.approx(expected, rel=1e-12)
    assert MSELoss()(y, s, sample_weight=w) == pytest.approx(mean_squared_error(y, s, sample_weight=w), rel=1e-12)


@pytest.fixture
def threads():
    before = _core.num_threads()
    yield _core.set_num_threads
    _core.set_num_threads(before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_same_bits_at_any_thread_count(threads, dtype, weighted):
    rng = np.random.default_rng(0)
    n = 300_007
    s, y = (rng.normal(size=n) * 5).astype(dtype), rng.random(n)
    w = rng.uniform(0, 3, n) if weighted else None
    seen = set()
    for count in (1, 2, 3, 7):
        threads(count)
        for loss in (BinaryCrossEntropy(), MSELoss(reduction="sum")):
            value, gradient = loss.value_and_grad(y, s, sample_weight=w)
            assert loss(y, s, sample_weight=w) == value
            seen.add((loss.name, value, gradient.tobytes()))
    assert len(seen) == 2
    truth = bce_twin(y, s.astype(float))[0]
    expected = truth.mean() if w is None else np.average(truth, weights=w)
    assert BinaryCrossEntropy()(y, s, sample_weight=w) == pytest.approx(expected, rel=1e-7)


def test_finite_far_out():
    s = np.array([1000.0, -1000.0, 1000.0, -1000.0])
    y = np.array([1.0, 0.0, 0.0, 1.0])
    for dtype in (np.float32, np.float64):
        values, gradient = BinaryCrossEntropy(reduction="none").value_and_grad(y, s.astype(dtype))
        assert values.tolist() == [0.0, 0.0, 1000.0, 1000.0]
        assert gradient.tolist() == [0.0, 0.0, 1.0, -1.0]
    assert BinaryCrossEntropy(from_logits=False)([1.0], [0.0]) == 100.0


def test_hessian_choices_of_probabilities():
    p, y = np.array([0.2, 0.9]), np.array([1.0, 0.0])

    def hessian(choice):
        return BinaryCrossEntropy(from_logits=False, hessian=choice).grad_hess(y, p)[1]

    np.testing.assert_allclose(hessian("exact"), [1 / 0.04, 1 / 0.01])
    np.testing.assert_allclose(hessian(None), hessian("exact"))
    np.testing.assert_allclose(hessian("gauss_newton"), 1 / (p * (1 - p)))
    np.testing.assert_allclose(hessian("constant"), [1, 1])


def test_boosting_form_of_mse_is_half():
    gradient, hessian = MSELoss().grad_hess([1.0, 2.0], np.array([3.0, 2.0]), sample_weight=[1.0, 2.0])
    assert gradient.tolist() == [2.0, 0.0]
    assert hessian.tolist() == [1.0, 2.0]


class TestInputs:
    y = np.array([1.0, 0.0, 1.0, 1.0])
    s = np.array([0.5, -1.0, 2.0, 0.0])

    @pytest.mark.parametrize("series", [pl.Series, pd.Series, list, tuple, lambda a: a.astype(np.longdouble)])
    def test_anything_numeric(self, series):
        assert BinaryCrossEntropy()(series(self.y), series(self.s)) == BinaryCrossEntropy()(self.y, self.s)

    def test_series_without_a_copy(self):
        from tradewright.loss_functions.inputs import numpy_inputs

        frame = pl.DataFrame({"y": self.y, "s": self.s})
        inputs = numpy_inputs(frame["y"], frame["s"])
        assert np.shares_memory(inputs.prediction, frame["s"].to_numpy(allow_copy=False))
        matrix = np.stack([self.s, self.y], axis=1)
        inputs = numpy_inputs(matrix[:, 1], matrix[:, 0])
        assert np.shares_memory(inputs.target, matrix)
        assert np.shares_memory(inputs.prediction, matrix)

    def test_half_precision_comes_back_in_half(self):
        value, gradient = MSELoss().value_and_grad(self.y, self.s.astype(np.float16))
        assert gradient.dtype == np.float16
        assert value == MSELoss()(self.y, self.s)

    def test_integers_are_predictions_too(self):
        value, gradient = MSELoss().value_and_grad([0, 1], [2, 1])
        assert value == 2.0
        assert gradient.tolist() == [2.0, 0.0]

    def test_foreign_bytes_records_and_broadcasts(self):
        expected = MSELoss()(self.y, self.s)
        assert MSELoss()(self.y.astype(">f8"), self.s.astype(">f4")) == expected
        record = np.zeros(4, dtype=[("tag", "i1"), ("s", "f8")])
        record["s"] = self.s
        assert MSELoss()(self.y, record["s"]) == expected
        ones = np.broadcast_to(np.float64(1.0), 4)
        assert MSELoss()(ones, self.s) == MSELoss()(np.ones(4), self.s)

    @pytest.mark.parametrize(
        ("y_true", "y_pred", "message"),
        [
            (np.ones(3), np.ones(4), r"y_true has shape \(3,\), y_pred has shape \(4,\)"),
            (np.ones((4, 1)), np.ones(4), r"\(4, 1\).*\(4,\).*broadcasting would pair every row"),
            (np.ones((4, 2)), np.ones((4, 2)), r"pass predictions of shape \(n,\) or \(n, 1\)"),
            (1.0, 1.0, r"shape \(\)"),
            (["a"], [1.0], "y_true has dtype <U1"),
            ([1.0], [1j], "y_pred has dtype complex128"),
            ([None, 1.0], [1.0, 1.0], "y_true has dtype object"),
        ],
    )
    def test_shapes_and_dtypes_are_named(self, y_true, y_pred, message):
        with pytest.raises(LossError, match=message):
            MSELoss()(y_true, y_pred)

    def test_weights(self):
        with pytest.raises(LossError, match=r"sample_weight has shape \(3,\), y_pred has shape \(4,\)"):
            MSELoss()(self.y, self.s, sample_weight=np.ones(3))
        with pytest.raises(LossError, match=r"row 2: the weight is -1") as caught:
            MSELoss()(self.y, self.s, sample_weight=[1, 1, -1, 1])
        assert caught.value.fields["row"] == 2
        assert caught.value.code == "loss.weight_invalid"
        with pytest.raises(LossError, match="all weights are 0"):
            MSELoss()(self.y, self.s, sample_weight=np.zeros(4))
        assert MSELoss(reduction="sum")(self.y, self.s, sample_weight=np.zeros(4)) == 0.0

    def test_targets(self):
        with pytest.raises(LossError, match=r"row 1: the target is -1, .*\(y \+ 1\) / 2"):
            BinaryCrossEntropy()([1, -1, 1], [0.0, 0.0, 0.0])
        with pytest.raises(LossError, match=r"row 2: the target is NaN.*omit"):
            MSELoss()([1, 2, np.nan], [0.0, 0.0, 0.0])
        with pytest.raises(LossError, match="row 1: the target is inf"):
            MSELoss(nan_policy="omit")([1, np.inf], [0.0, 0.0])

    def test_predictions(self):
        with pytest.raises(LossError, match="row 1: the prediction is NaN"):
            MSELoss(nan_policy="omit")([1, np.nan], [0.0, np.nan])
        with pytest.raises(LossError, match=r"row 0: the prediction is 1.5.*from_logits=True"):
            BinaryCrossEntropy(from_logits=False)([1.0], [1.5])

    def test_nothing(self):
        with pytest.raises(LossError, match="no rows with a target"):
            MSELoss()([], [])
        assert MSELoss(reduction="sum")([], []) == 0.0

    def test_out(self):
        out = np.zeros(4)
        assert MSELoss().value_and_grad(self.y, self.s, out=out)[1] is out
        read_only = np.zeros(4)
        read_only.setflags(write=False)
        for bad in (np.zeros(3), np.zeros(4, np.float32), np.zeros(8)[::2], read_only, [0.0] * 4):
            with pytest.raises(LossError, match=r"out .*pass a writable"):
                MSELoss().value_and_grad(self.y, self.s, out=bad)
        with pytest.raises(LossError, match="shares memory with y_pred"):
            MSELoss().value_and_grad(self.y, self.s, out=self.s)

    def test_unknown_per_row_argument(self):
        with pytest.raises(ParameterError, match="takes no argument 'costs'; it takes sample_weight"):
            MSELoss()(self.y, self.s, costs=self.y)

    def test_groups_and_assets_are_no_matter_but_must_fit(self):
        ids = np.array(["a", "b", "a", "b"])
        assert MSELoss()(self.y, self.s, groups=ids, assets=ids) == MSELoss()(self.y, self.s)
        with pytest.raises(LossError, match="groups has shape"):
            MSELoss()(self.y, self.s, groups=ids[:2])


class TestValues:
    def test_parameters_are_checked(self):
        with pytest.raises(ParameterError, match="reduction='avg' is not allowed; pass one of 'mean'"):
            MSELoss(reduction="avg")
        with pytest.raises(ParameterError, match="nan_policy"):
            MSELoss(nan_policy="drop")
        with pytest.raises(ParameterError, match="hessian"):
            MSELoss(hessian="approximate")
        with pytest.raises(ParameterError, match="from_logits"):
            BinaryCrossEntropy(from_logits="yes")
        with pytest.raises(TypeError):
            BinaryCrossEntropy(True)

    @pytest.mark.parametrize("loss", LOSSES, ids=repr)
    def test_json_pickle_hash(self, loss):
        assert BaseLoss.from_dict(json.loads(loss.to_json())) == loss
        assert pickle.loads(pickle.dumps(loss)) == loss
        assert len({loss, pickle.loads(pickle.dumps(loss))}) == 1

    def test_tagged(self):
        assert MSELoss().to_dict()["loss"] == "mse"
        with pytest.raises(ParameterError, match="tagged 'mse', not 'bce'"):
            BinaryCrossEntropy.from_dict(MSELoss().to_dict())
        with pytest.raises(ParameterError, match="no parameter 'gamma'"):
            BaseLoss.from_dict({"loss": "mse", "params": {"gamma": 1}})
        with pytest.raises(UnknownNameError):
            BaseLoss.from_dict({"loss": "nothing", "params": {}})

    def test_abstract(self):
        with pytest.raises(TypeError, match="abstract"):
            BaseLoss()

    def test_init_score(self):
        assert MSELoss().init_score([1.0, 3.0]) == 2.0
        assert MSELoss(nan_policy="omit").init_score([1.0, np.nan]) == 1.0
        score = BinaryCrossEntropy().init_score([1, 0, 0, 0], [3.0, 1.0, 1.0, 1.0])
        assert score == pytest.approx(0.0)
        assert BinaryCrossEntropy(from_logits=False).init_score([1, 0]) == 0.5
        assert np.isfinite(BinaryCrossEntropy().init_score([1, 1]))
        with pytest.raises(LossError, match="row 1"):
            MSELoss().init_score([1.0, np.nan])
        with pytest.raises(LossError, match="row 0: the weight"):
            MSELoss().init_score([1.0], [-1.0])
        with pytest.raises(LossError, match="no start value"):
            MSELoss().init_score([])
        with pytest.raises(LossError, match="labels -1 and 1"):
            BinaryCrossEntropy().init_score([-1, -1, 1])

    def test_start_value_is_the_best_constant(self):
        y, w = np.array([1.0, 0.0, 0.0, 1.0, 0.25]), np.array([1.0, 2.0, 0.5, 1.0, 1.0])
        for loss in (BinaryCrossEntropy(), BinaryCrossEntropy(from_logits=False), MSELoss()):
            start = np.full(5, loss.init_score(y, w))
            assert loss.value_and_grad(y, start, sample_weight=w)[1].sum() == pytest.approx(0.0, abs=1e-12)


class TestRegistry:
    def test_names(self):
        assert {"bce", "mse"} <= set(LossRegistry.list())
        assert LossRegistry.create("bce", from_logits=False) == BinaryCrossEntropy(from_logits=False)
        assert LossRegistry.get("binary_cross_entropy") is BinaryCrossEntropy
        assert "mse" in LossRegistry.search("regression")

    def test_did_you_mean(self):
        with pytest.raises(UnknownNameError, match="no loss is called 'bcee'; did you mean 'bce'"):
            LossRegistry.create("bcee")

    def test_taken(self):
        with pytest.raises(RegistryError, match="'mse' is taken"):
            LossRegistry.register("mse", MSELoss)

    @pytest.mark.parametrize("name", LossRegistry.list())
    def test_name_and_tag_agree(self, name):
        assert LossRegistry.create(name).name == name

    def test_every_name_is_the_specifications(self):
        names = {"bce", "focal", "label_smoothing", "weighted_bce", "cost_sensitive", "mse", "mae", "huber"}
        assert names | {"pseudo_huber", "quantile", "directional_loss", "madl"} <= set(LossRegistry.list())
        with pytest.raises(UnknownNameError, match="did you mean 'weighted_bce'"):
            LossRegistry.create("weigted_bce")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: FocalLoss(gamma=-1.0), "gamma"),
        (lambda: FocalLoss(alpha=1.5), "alpha"),
        (lambda: FocalLoss(hessian="gauss_newton"), "hessian"),
        (lambda: LabelSmoothingBCE(epsilon=1.0), "epsilon"),
        (lambda: WeightedBCE(pos_weight=0.0), "pos_weight"),
        (lambda: CostSensitiveLoss(form="linear"), "form"),
        (lambda: CostSensitiveLoss(cost_fp=-1.0), "cost_fp"),
        (lambda: CostSensitiveLoss(cost_tp=-1.0), "cost_tp"),
        (lambda: CostSensitiveLoss(form="expected", cost_tn=float("nan")), "cost_tn"),
        (lambda: HuberLoss(delta=0.0), "delta"),
        (lambda: PseudoHuberLoss(delta=float("inf")), "delta"),
        (lambda: PseudoHuberLoss(delta="1"), "delta"),
        (lambda: QuantileLoss(quantiles=1.0), "quantiles"),
        (lambda: QuantileLoss(quantiles=()), "quantiles"),
        (lambda: QuantileLoss(quantiles=(0.1, 1.2)), "quantiles"),
        (lambda: MAELoss(hessian="exact"), "hessian"),
        (lambda: DirectionalLoss(kind="madl"), "kind"),
        (lambda: DirectionalLoss(sharpness=-1.0), "sharpness"),
        (lambda: DirectionalLoss(kind="gmadl", b=0.0), "b"),
    ],
)
def test_parameters_are_checked_by_name(make, name):
    with pytest.raises(ParameterError, match=f"{name}=") as caught:
        make()
    assert caught.value.fields["name"] == name


class TestQuantiles:
    def test_columns_are_losses_of_their_own(self):
        rng = np.random.default_rng(0)
        # Past a task of 32 blocks, with three predictions a row: borders fall inside of rows.
        y, s, w = rng.normal(size=12_001), rng.normal(size=(12_001, 3)), rng.uniform(0.0, 2.0, 12_001)
        levels = (0.1, 0.5, 0.9)
        loss = QuantileLoss(quantiles=levels)
        value, gradient = loss.value_and_grad(y, s, sample_weight=w)
        each = [
            QuantileLoss(quantiles=level).value_and_grad(y, s[:, k], sample_weight=w) for k, level in enumerate(levels)
        ]
        assert value == pytest.approx(np.mean([v for v, _ in each]), rel=1e-13)
        np.testing.assert_allclose(gradient, np.stack([g for _, g in each], axis=1) / 3, rtol=1e-13)
        np.testing.assert_array_equal(loss.value_and_grad(y[:, None], s, sample_weight=w)[1], gradient)
        assert loss(y, np.asfortranarray(s), sample_weight=w) == value

    def test_rows_are_named_and_shapes_checked(self):
        loss = QuantileLoss(quantiles=(0.1, 0.9))
        y = np.array([0.0, np.nan, 1.0])
        with pytest.raises(LossError, match="row 1"):
            loss(y, np.zeros((3, 2)))
        with pytest.raises(LossError, match="row 2"):
            loss(np.zeros(3), np.array([[0, 0], [0, 0], [0, np.inf]]))
        with pytest.raises(LossError, match="row 2: the weight"):
            loss(np.zeros(3), np.zeros((3, 2)), sample_weight=[1, 1, -1])
        for shape in ((3,), (3, 3), (2, 2), (3, 2, 1)):
            with pytest.raises(LossError, match="shape"):
                loss(np.zeros(3), np.zeros(shape))

    def test_crossing_and_start(self):
        loss = QuantileLoss(quantiles=(0.9, 0.1))
        assert loss.crossing([[2.0, 1.0], [1.0, 2.0], [1.0, 1.0], [3.0, 0.0]]) == 0.25
        with pytest.raises(LossError, match="shape"):
            loss.crossing([1.0, 2.0])
        with pytest.raises(UnsupportedError, match="no single start"):
            loss.init_score([1.0])


class TestStarts:
    Y = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    W = np.array([1.0, 2.0, 0.5, 1.0, 1.0])

    @pytest.mark.parametrize(
        "loss",
        [
            FocalLoss(),
            FocalLoss(gamma=0.5, alpha=0.6),
            LabelSmoothingBCE(epsilon=0.3),
            WeightedBCE(pos_weight=4.0),
            CostSensitiveLoss(cost_fp=2.0, cost_fn=3.0),
        ],
        ids=repr,
    )
    def test_slope_is_none_at_the_start(self, loss):
        start = np.full(5, loss.init_score(self.Y, self.W))
        assert abs(loss.value_and_grad(self.Y, start, sample_weight=self.W)[1].sum()) < 1e-12
        assert np.isfinite(loss.init_score([1, 1]))

    def test_directional(self):
        returns, loss = np.array([0.02, -0.01, 0.0, 0.03]), DirectionalLoss(sharpness=3.0)
        start = np.full(4, loss.init_score(returns))
        assert abs(loss.value_and_grad(returns, start)[1].sum()) < 1e-15
        assert DirectionalLoss(kind="gmadl").init_score(returns) == 0.0
        assert loss.init_score([0.0]) == 0.0

    def test_quantiles_weigh_rows(self):
        assert MAELoss().init_score([1.0, 2.0, 3.0], [5.0, 1.0, 1.0]) == 1.0
        assert QuantileLoss(quantiles=0.7).init_score([1.0, 2.0, 3.0, np.nan][:3], [1.0, 1.0, 0.0]) == 2.0


def test_costs_come_in_any_layout():
    rng = np.random.default_rng(0)
    y, s, costs = rng.integers(0, 2, 3_000), rng.normal(size=3_000), rng.integers(1, 9, (3_000, 4))
    loss = CostSensitiveLoss(form="expected")
    expected = loss(y, s, costs=costs.astype(float))
    for other in (costs, np.asfortranarray(costs), costs.astype(np.float32), pd.DataFrame(costs), costs[::-1][::-1]):
        assert loss(y, s, costs=other) == expected
    with pytest.raises(LossError, match=r"costs has shape \(3000, 3\).*4 values per row"):
        loss(y, s, costs=costs[:, :3])
    with pytest.raises(LossError, match="costs"):
        loss(y, s, costs=costs[:-1])


class TestParameters:
    def test_numbers_are_kept_as_pythons_own(self):
        """Search grids hand over numpy's numbers; equal losses have equal JSON."""
        for value in (2, 2.0, np.float32(2), np.float64(2), np.int64(2)):
            loss = HuberLoss(delta=value)
            assert type(loss.delta) is float
            assert loss.to_json() == HuberLoss(delta=2.0).to_json()
        assert type(LossRegistry.create("lambdarank", truncation=np.int32(3)).truncation) is int
        assert QuantileLoss(quantiles=[np.float32(0.5), 0.9]) == QuantileLoss(quantiles=(0.5, 0.9))
        assert repr((np.float64(0.5) * MSELoss()).terms[0][0]) == "0.5"

    @pytest.mark.parametrize("value", [True, "1", None, np.nan, np.inf, 0, -1.0, 1j, np.array([1.0])])
    def test_what_is_no_number(self, value):
        with pytest.raises(ParameterError, match=r"delta=.* pass a finite number above 0"):
            HuberLoss(delta=value)

    def test_what_was_stored_elsewhere(self):
        with pytest.raises(ParameterError, match="has no tag"):
            BaseLoss.from_dict({"name": "mse"})
        with pytest.raises(ParameterError, match="no term"):
            BaseLoss.from_dict({"loss": "combined", "params": {}})


class TestRefused:
    def test_start_values_take_what_the_loss_takes(self):
        for loss in (BinaryCrossEntropy(), FocalLoss(), WeightedBCE(), LabelSmoothingBCE(), CostSensitiveLoss()):
            with pytest.raises(LossError, match=r"row 1: the target is -1.*\(y \+ 1\) / 2"):
                loss.init_score([1, -1])
        with pytest.raises(LossError, match=r"row 0: the target is 0\.5, allowed is 0 or 1"):
            FocalLoss().init_score([0.5, 1.0])
        for loss in (MSELoss(), MAELoss(), QuantileLoss(), DirectionalLoss()):
            with pytest.raises(LossError, match="row 1: the target is inf"):
                loss.init_score([1.0, np.inf])

    def test_costs_of_errors_below_zero(self):
        costs = [[1.0, 1.0, 0.0, 0.0], [1.0, -2.0, 0.0, 0.0]]
        with pytest.raises(LossError, match=r'row 1: costs of errors are \[1.0, -2.0\].*form="expected"'):
            CostSensitiveLoss()([0, 1], [0.0, 0.0], costs=costs)
        assert CostSensitiveLoss(form="expected")([0, 1], [0.0, 0.0], costs=costs) == -0.25

    def test_masks_are_not_lost(self):
        masked = np.ma.array([1.0, 2.0], mask=[False, True])
        with pytest.raises(LossError, match="y_true is a masked array"):
            MSELoss()(masked, [1.0, 5.0])
        assert MSELoss(nan_policy="omit")(masked.filled(np.nan), [1.0, 5.0]) == 0.0
