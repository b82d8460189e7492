"""Files of other versions: refused, warned of or read, as the policy of their format says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn

import tradewright as tw
from tradewright.base.versions import POLICIES, VersionWarning, check_versions
from tradewright.bundle import read_bundle, write_bundle
from tradewright.errors import VersionMismatchError

HAVE = tuple(map(int, sklearn.__version__.split(".")[:2]))
OTHER_MINOR, OTHER_MAJOR = f"{HAVE[0]}.{HAVE[1] - 1}.2", f"{HAVE[0] - 1}.7.0"


def rewritten(path, **versions):
    """The same bundle, as if saved with other versions."""
    bundle = read_bundle(path)
    own = ("format", "format_version", "reader_version", "payloads", "digest")
    manifest = {key: value for key, value in bundle.manifest.items() if key not in own}
    manifest["saved_with"] = manifest["saved_with"] | versions
    write_bundle(path, manifest, bundle.payloads)


@pytest.fixture
def saved(one, tmp_path):
    def save(key, format_, **versions):
        path = tmp_path / "model.tw"
        tw.save_model(one(key).model, path, format_)
        rewritten(path, **versions)
        return path

    return save


class TestScikitLearn:
    @pytest.mark.parametrize("format_", ["pickle", "joblib"])
    @pytest.mark.parametrize("version", [OTHER_MINOR, OTHER_MAJOR])
    def test_pickles_are_refused(self, saved, format_, version):
        path = saved("ridge-regression", format_, **{"scikit-learn": version})
        with pytest.raises(VersionMismatchError, match=rf"scikit-learn=={version} and save it with format='auto'"):
            tw.load_model(path, trusted=True)

    def test_skops_warns_within_a_major_version(self, saved, one):
        path = saved("ridge-regression", "auto", **{"scikit-learn": OTHER_MINOR})
        for load in (tw.load_model, tw.SklearnModel.load):
            with pytest.warns(VersionWarning, match="compare some predictions"):
                back = load(path)
            case = one("ridge-regression")
            assert np.array_equal(case.output(back), case.output(case.model))

    def test_skops_is_refused_across_one(self, saved):
        with pytest.raises(VersionMismatchError, match=f"saved with scikit-learn {OTHER_MAJOR}"):
            tw.load_model(saved("ridge-regression", "auto", **{"scikit-learn": OTHER_MAJOR}))


def test_boosters_read_what_is_older_and_warn_of_what_is_newer(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tw.load_model(saved("lightgbm-regression", "auto", lightgbm="3.1.0"))
        tw.load_model(saved("xgboost-regression", "auto", xgboost="1.7.0"))
        tw.load_model(saved("mlp-regression", "auto", torch="99.0"))
    for key, library in (("lightgbm-regression", "lightgbm"), ("xgboost-regression", "xgboost")):
        with pytest.warns(VersionWarning, match=f"saved with {library} 99"):
            tw.load_model(saved(key, "auto", **{library: "99.0"}))


def test_a_patch_version_is_no_difference(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tw.load_model(saved("ridge-regression", "pickle", **{"scikit-learn": f"{HAVE[0]}.{HAVE[1]}.99"}), trusted=True)


def test_bundles_that_do_not_say_go_by_the_fit():
    manifest = {"payload_format": "pickle", "metadata": {"library_versions": {"scikit-learn": OTHER_MINOR}}}
    with pytest.raises(VersionMismatchError):
        check_versions(manifest)
    for unknown in (
        {},
        {"saved_with": None},
        {"saved_with": {"scikit-learn": 3}},
        {"saved_with": {"scikit-learn": "dev"}},
    ):
        check_versions({"payload_format": "pickle", "metadata": None} | unknown)
    check_versions({"payload_format": "hologram"})


def test_every_format_has_a_policy(trained, tmp_path):
    trained.model.save(tmp_path / "model.tw")
    assert read_bundle(tmp_path / "model.tw").manifest["payload_format"] in POLICIES
