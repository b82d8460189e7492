"""Files that libraries wrote by themselves: found by what they hold, loaded under the rules, never to the process's end."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tradewright as tw
from tradewright.errors import FormatMismatchError, IntegrityError, ModelLoadError, UnsafeFormatError

NAMES = ["mom", "vol", "rev"]


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(150, 3))


def estimators(X):
    """Name → a fitted estimator of a library's own, on a frame, as their users have them."""
    catboost = pytest.importorskip("catboost")
    lightgbm = pytest.importorskip("lightgbm")
    xgboost = pytest.importorskip("xgboost")
    frame = pd.DataFrame(X, columns=NAMES)
    y, two, three = X[:, 0], (X[:, 0] > 0).astype(int), np.digitize(X[:, 0], [-0.5, 0.5])
    light = {"n_estimators": 4, "verbosity": -1, "n_jobs": 1}
    cat = {"iterations": 4, "verbose": False, "thread_count": 1, "allow_writing_files": False}
    return {
        "lightgbm": lightgbm.LGBMRegressor(**light).fit(frame, y),
        "lightgbm2": lightgbm.LGBMClassifier(**light).fit(frame, two),
        "lightgbm3": lightgbm.LGBMClassifier(**light).fit(frame, three),
        "xgboost": xgboost.XGBRegressor(n_estimators=4, n_jobs=1).fit(frame, y),
        "xgboost2": xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(frame, two),
        "xgboost3": xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(frame, three),
        "catboost": catboost.CatBoostRegressor(**cat).fit(frame, y),
        "catboost2": catboost.CatBoostClassifier(**cat).fit(frame, np.array(["no", "yes"])[two]),
        "catboost3": catboost.CatBoostClassifier(**cat).fit(frame, np.array(["a", "b", "c"])[three]),
        "sklearn": make_pipeline(StandardScaler(), Ridge()).fit(frame, y),
        "sklearn3": RandomForestClassifier(n_estimators=3).fit(frame, np.array(["a", "b", "c"])[three]),
    }


def write(estimator, path):
    """In the library's own format."""
    library = type(estimator).__module__.partition(".")[0]
    if library == "lightgbm":
        estimator.booster_.save_model(path)
    elif library == "xgboost":
        path.write_bytes(bytes(estimator.get_booster().save_raw("ubj")))
    elif library == "catboost":
        estimator.save_model(str(path))
    else:
        skops.io.dump(estimator, path)


@pytest.fixture(scope="module")
def fitted(X):
    return estimators(X)


KEYS = [f"{library}{k}" for library in ("lightgbm", "xgboost", "catboost", "sklearn") for k in ("", "2", "3")]
KEYS.remove("sklearn2")


def check(model, estimator, X):
    frame = pd.DataFrame(X, columns=NAMES)
    assert model.metadata.feature_names == tuple(NAMES)
    wanted, found = np.asarray(estimator.predict(frame)).reshape(-1), model.predict(frame[NAMES[::-1]])
    if hasattr(estimator, "steps"):  # a matrix product, whose rounding depends on how the rows lie in memory
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    else:
        assert np.array_equal(found, wanted)
    assert model.is_fitted
    assert "fitted" not in repr(model.metadata.task)
    if hasattr(estimator, "predict_proba"):
        assert model.task == "classification"
        np.testing.assert_allclose(model.predict_proba(frame), estimator.predict_proba(frame), rtol=0, atol=1e-7)
    assert model.feature_importances_ is None or len(model.feature_importances_) == 3


@pytest.mark.parametrize("key", KEYS)
class TestOwnFormat:
    def test_with_trust_it_becomes_a_model(self, fitted, X, tmp_path, key):
        path = tmp_path / "model.bin"
        write(fitted[key], path)
        with pytest.raises(UnsafeFormatError, match=r"without a bundle around it.*trusted=True"):
            tw.load_model(path)
        model = tw.load_model(path, trusted=True)
        check(model, fitted[key], X)
        model.save(tmp_path / "bundle.tw")  # and is a full one from then on
        check(tw.load_model(tmp_path / "bundle.tw"), fitted[key], X)
        y = model.predict(X)
        assert len(np.unique(y)) == 1 or model.clone().fit(X, y).is_fitted

    @pytest.mark.parametrize("dump", ["pickle", "joblib", "joblib compressed"])
    def test_estimators_in_pickles(self, fitted, X, tmp_path, key, dump):
        path = tmp_path / "model.bin"
        if dump == "pickle":
            path.write_bytes(pickle.dumps(fitted[key]))
        else:
            joblib.dump(fitted[key], path, compress=3 if "compressed" in dump else 0)
        with pytest.raises(UnsafeFormatError, match="runs whatever code is in it"):
            tw.load_model(path)
        check(tw.load_model(path, trusted=True), fitted[key], X)


class TestWhatIsNone:
    def test_unfitted_estimators(self, tmp_path):
        path = tmp_path / "model.bin"
        for estimator in (Ridge(), make_pipeline(StandardScaler(), Ridge())):
            path.write_bytes(pickle.dumps(estimator))
            with pytest.raises(FormatMismatchError, match="nor of a fitted estimator"):
                tw.load_model(path, trusted=True)
            skops.io.dump(estimator, path)
            with pytest.raises(FormatMismatchError, match="not fitted"):
                tw.load_model(path, trusted=True)

    def test_other_archives(self, tmp_path):
        path = tmp_path / "model.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.csv", "1,2")
        with pytest.raises(FormatMismatchError, match="nor one of skops"):
            tw.load_model(path, trusted=True)
        path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(IntegrityError, match="cannot be read"):
            tw.load_model(path, trusted=True)

    def test_names_no_library_gave_are_ours(self, X, tmp_path):
        lightgbm = pytest.importorskip("lightgbm")
        xgboost = pytest.importorskip("xgboost")
        lightgbm.LGBMRegressor(n_estimators=2, verbosity=-1).fit(X, X[:, 0]).booster_.save_model(tmp_path / "l")
        (tmp_path / "x").write_bytes(
            bytes(xgboost.XGBRegressor(n_estimators=2).fit(X, X[:, 0]).get_booster().save_raw("ubj"))
        )
        for name in "lx":
            model = tw.load_model(tmp_path / name, trusted=True)
            assert model.metadata.feature_names == ("x0", "x1", "x2")
            assert len(model.predict(X)) == len(X)


CHILD = """
import json, sys, pathlib, tradewright as tw
told = {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    print(path.name, file=sys.stderr, flush=True)
    try:
        tw.load_model(path, trusted=True)
        told[path.name] = None
    except Exception as error:
        told[path.name] = type(error).__name__
print(json.dumps(told))
"""


def test_truncated_files_end_in_an_error_and_not_the_process(fitted, tmp_path):
    """In a child, whose end would show; CatBoost's parser needs isolate=True for that."""
    spare = ""
    for key in ("lightgbm3", "xgboost", "sklearn3"):
        write(fitted[key], tmp_path / "whole")
        raw = (tmp_path / "whole").read_bytes()
        (tmp_path / "whole").rename(tmp_path / f"{key} whole")
        tail = raw.find(b"parameters:") if key == "lightgbm3" else 0
        places = [int(len(raw) * part) for part in (0.02, 0.3, 0.5, 0.8, 0.95, 0.999)] + [tail + 40] * (tail > 0)
        spare = f"lightgbm3 {places[5]}" if key == "lightgbm3" else spare
        for place in places:
            (tmp_path / f"{key} {place}").write_bytes(raw[:place])
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told) == 22
    # What LightGBM notes for itself after its own end is no part of the model.
    told = {name: error for name, error in told.items() if not name.endswith(spare)}
    for name, error in told.items():
        assert (error is None) == name.endswith("whole"), (name, error)
    assert set(told.values()) <= {"IntegrityError", "FormatMismatchError", "ModelLoadError", None}


def test_a_flipped_onnx_file_ends_in_an_error_or_a_model(one, tmp_path):
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "files"
    folder.mkdir()
    tw.ModelSerializer.export_onnx(one("hist_gradient_boosting-regression").model, tmp_path / "whole.onnx")
    raw = bytearray((tmp_path / "whole.onnx").read_bytes())
    for number, place in enumerate(range(0, len(raw), max(1, len(raw) // 40))):
        damaged = bytearray(raw)
        damaged[place] ^= 0x41
        (folder / f"{number:03d}").write_bytes(damaged)
    done = subprocess.run([sys.executable, "-c", CHILD, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    known = {None, "ModelLoadError", "IntegrityError", "FormatMismatchError", "UnsafeFormatError"}
    assert set(json.loads(done.stdout).values()) <= known


def test_a_pickle_that_is_cut_off(tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Ridge().fit([[0.0], [1.0]], [0.0, 1.0]))[:-9])
    with pytest.raises(ModelLoadError, match="cannot be run"):
        tw.load_model(tmp_path / "model.pkl", trusted=True)
