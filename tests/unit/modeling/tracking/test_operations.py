"""Operations survive as lines of JSON, and become requests that MLflow takes."""

import json
import math

import pytest
from fake_mlflow import FakeClient
from hypothesis import given
from hypothesis import strategies as st

from tradewright.errors import TrackingError
from tradewright.tracking import limits
from tradewright.tracking.operations import (
    Artifact,
    ArtifactFolder,
    DatasetInput,
    LoggedModel,
    Metrics,
    Params,
    Tags,
    Terminate,
    Text,
    operation_from_json,
)
from tradewright.tracking.store import Store, halves, requests_of

pytest.importorskip("mlflow")

NAMES = st.text("abcé/ .", min_size=1, max_size=30).map(limits.clean_key)
POINTS = st.tuples(NAMES, st.floats(), st.integers(0, 2**45), st.integers(-5, 2**31))
PAIRS = st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), max_size=40), max_size=30)
ANY = st.one_of(
    st.lists(POINTS, min_size=1, max_size=40).map(lambda points: Metrics(tuple(points))),
    PAIRS.filter(bool).map(Params),
    PAIRS.filter(bool).map(Tags),
    st.builds(Text, st.text(st.characters(codec="utf-8")), NAMES),
    st.builds(Artifact, st.just("/x/y.json"), st.none() | NAMES),
    st.builds(ArtifactFolder, st.just("/x"), st.none() | NAMES),
    st.builds(DatasetInput, NAMES, st.just("d1"), st.just("t"), st.just("s"), st.none() | st.just("{}")),
    st.builds(LoggedModel, st.just("/m"), NAMES, st.just({"a": "1"}), st.none() | NAMES, st.none() | st.just("best")),
    st.builds(Terminate, st.sampled_from(["FINISHED", "FAILED", "KILLED"]), st.integers(0, 2**45)),
)


def same(a, b):
    return repr(a) == repr(b)  # NaN is not itself


@given(ANY)
def test_any_operation_survives_as_strict_json(operation):
    text = json.dumps(operation.to_json(), allow_nan=False)
    assert "\n" not in text
    assert same(operation_from_json(json.loads(text)), operation)


@pytest.mark.parametrize("values", [{"op": "dance"}, {}, {"op": "text", "text": "no name"}])
def test_what_is_no_operation_is_said(values):
    with pytest.raises(TrackingError, match=r"not known here|incomplete"):
        operation_from_json(values)


@given(st.lists(ANY, max_size=30))
def test_requests_hold_everything_once_in_order_within_the_limits(operations):
    places, done_before = [], 0
    for parts, done in requests_of(operations):
        assert done_before <= done
        done_before = done
        kinds = {type(part) for _, part in parts}
        assert len(parts) == 1 or kinds <= {Metrics, Params, Tags}
        for kind, most in ((Metrics, 1000), (Params, 100), (Tags, 100)):
            assert sum(size(part) for _, part in parts if isinstance(part, kind)) <= most
        assert sum(size(part) for _, part in parts) <= 1000
        assert len(json.dumps([part.to_json() for _, part in parts])) <= 1_000_000
        places += parts
        # What counts as done is whole.
        assert all(place < done or place == parts[-1][0] for place, _ in parts)
    assert done_before == len(operations)
    for place, operation in enumerate(operations):
        pieces = [part for at, part in places if at == place]
        assert same(joined(pieces), operation)
    assert [place for place, _ in places] == sorted(place for place, _ in places)


def size(part):
    if isinstance(part, Metrics):
        return len(part.points)
    return len(part.values) if isinstance(part, Params | Tags) else 1


def joined(pieces):
    first = pieces[0]
    if isinstance(first, Metrics):
        return Metrics(tuple(point for piece in pieces for point in piece.points))
    if isinstance(first, Params | Tags):
        return type(first)({key: value for piece in pieces for key, value in piece.values.items()})
    (only,) = pieces
    return only


def test_the_largest_values_fit():
    """A hundred params of 6,000 signs that take six bytes each are four requests, not one that is refused."""
    fake = FakeClient()
    run_id = fake.create_run("1").info.run_id
    store = Store(fake, "fake:")
    params = Params({f"p{i}": "é" * 6000 for i in range(100)})
    tags = Tags({f"t{i}": "x" * 8000 for i in range(100)})
    metrics = Metrics(tuple((f"é{'m' * 240}{i}", float(i), 1, 0) for i in range(3000)))
    count = 0
    for parts, _ in requests_of([params, tags, metrics]):
        store.write(run_id, [part for _, part in parts])
        count += 1
    run = fake.runs[run_id]
    assert (len(run.params), len([tag for tag in run.tags if tag[0] == "t"]), len(run.metrics)) == (100, 100, 3000)
    assert count < 15


def test_small_writes_share_a_request():
    operations = [Params({"a": "1"}), *(Metrics((("m", i, i, i),)) for i in range(500)), Tags({"t": "1"})]
    ((parts, done),) = requests_of(operations)
    assert (len(parts), done) == (502, 502)


def test_one_param_with_two_values_is_two_requests():
    assert [done for _, done in requests_of([Params({"a": "1"}), Params({"a": "2"})])] == [1, 2]
    assert [done for _, done in requests_of([Params({"a": "1"}), Params({"a": "1"})])] == [2]


@given(st.lists(POINTS, min_size=1, max_size=9))
def test_halves(points):
    two = halves(Metrics(tuple(points)))
    if len(points) == 1:
        assert two is None
    else:
        assert same(two[0].points + two[1].points, tuple(points))


# --- names and values ---------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(max_size=300), st.floats() | st.text(max_size=50) | st.none(), max_size=20))
def test_any_params_are_made_acceptable(params):
    cleaned = limits.clean_params(params)
    assert len(cleaned) == len(params)
    for key in cleaned:
        FakeClient._key(key)


@given(st.text(max_size=300))
def test_any_name_is_made_acceptable_and_stays_so(name):
    cleaned = limits.clean_key(name)
    FakeClient._key(cleaned)
    assert limits.clean_key(cleaned) == cleaned


@pytest.mark.parametrize("name", ["val_loss", "a/b", "fold 3/sharpe", "é", "x:y", "a.b-c_d"])
def test_names_mlflow_takes_stay_as_they_are(name):
    FakeClient._key(name)
    assert limits.clean_key(name) == name


def test_infinity_is_left_out_of_a_curve_and_nan_is_not():
    fake = FakeClient()
    run_id = fake.create_run("1").info.run_id
    points = tuple(("m", value, 1, step) for step, value in enumerate([1.0, math.inf, -math.inf, math.nan]))
    Store(fake, "fake:").write(run_id, [Metrics(points)])
    assert [(value, step) for _, value, _, step in fake.runs[run_id].metrics[:1]] == [(1.0, 0)]
    assert math.isnan(fake.runs[run_id].metrics[1][1])
    assert len(fake.runs[run_id].metrics) == 2
