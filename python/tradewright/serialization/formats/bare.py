"""Files that a library wrote by itself, without a bundle around them: nothing says that they are whole.

What they are is found by what they begin with. Such a file knows no more than its library put there: the classes of
LightGBM's and XGBoost's classifiers are then 0, 1, …, and columns without names are ``x0``, ``x1``, ….
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from typing import Any

from tradewright import _optional
from tradewright.base import BaseModel
from tradewright.bundle import Bundle
from tradewright.errors import FormatMismatchError, IntegrityError, UnsafeFormatError
from tradewright.serialization.adopt import adopt, give_facts
from tradewright.serialization.formats.base import Loading

__all__ = ["is_bare", "read_bare", "require_trust_of_bare"]

_TEXT, _CBM = b"tree\n", b"CBM1"
_UBJSON = re.compile(rb"\{(?:L.{8}|[iUI].{1,2})learner", re.DOTALL)
#: A zip whose first member is none of a bundle's.
_ZIP, _MANIFEST = b"PK\x03\x04", b"manifest.json"
#: More rounds than any model has: what a file that does not say is allowed.
_ANY = 2**31 - 1

Finish = Callable[[Any], None]


def is_bare(head: bytes) -> bool:
    """Whether a file that begins so is one of LightGBM, XGBoost, CatBoost, or another archive than a bundle."""
    return head.startswith((_TEXT, _CBM)) or bool(_UBJSON.match(head)) or _is_other_zip(head)


def require_trust_of_bare(how: Loading, kind: str) -> None:
    """Refuse to hand a library bytes that no digest vouches for.

    Raises
    ------
    UnsafeFormatError
        Unless the caller trusts the file, or has it tried in a process of its own.
    """
    if not (how.trusted or how.isolate):
        raise UnsafeFormatError(
            f"{how.path} is {kind} without a bundle around it: no digest tells whether it is whole, and a damaged or crafted"
            " one can end the process. If you know where it comes from, pass trusted=True; better, save the model with"
            " tradewright.save_model",
            code="bundle.bare",
            path=str(how.path),
        )


def read_bare(how: Loading) -> tuple[Bundle, Finish]:
    """Return a file as the bundle it might have been in, and what completes the model that is rebuilt from that."""
    data = how.path.read_bytes()
    if data.startswith(_TEXT):
        require_trust_of_bare(how, "a LightGBM text")
        return _lightgbm(data)
    if data.startswith(_CBM):
        require_trust_of_bare(how, "a CatBoost model")
        return _catboost(data)
    if _UBJSON.match(data):
        require_trust_of_bare(how, "an XGBoost model")
        return _xgboost(data)
    if "schema.json" not in _members(how):
        raise FormatMismatchError(
            f"{how.path} is a zip archive but not a tradewright bundle, nor one of skops: save the model with"
            " tradewright.save_model (torch archives alone lack scaling and feature names)",
            code="bundle.not_a_bundle",
            path=str(how.path),
        )
    require_trust_of_bare(how, "a skops archive")
    return _skops(data, how)


def _is_other_zip(head: bytes) -> bool:
    return head.startswith(_ZIP) and head[30 : 30 + int.from_bytes(head[26:28], "little")] != _MANIFEST


def _members(how: Loading) -> list[str]:
    try:
        with zipfile.ZipFile(how.path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
        raise IntegrityError(
            f"{how.path} is damaged: the archive cannot be read ({error}). Copy it again from where it was saved",
            code="bundle.damaged",
            path=str(how.path),
        ) from error


def _bundle(model_class: str, kind: str, config: dict[str, Any], name: str, data: bytes) -> Bundle:
    manifest = {"model_class": model_class, "payload_format": kind, "config": config, "metadata": {}, "bare": True}
    return Bundle(manifest, {name: data})


def _booster(library: str, estimator: str, classes: list[int] | None, n_rounds: int = _ANY) -> dict[str, Any]:
    _optional.require(library, "BoostingModel")
    return {"library": library, "estimator": estimator, "params": {}, "n_rounds": n_rounds, "classes": classes}


def _lightgbm(data: bytes) -> tuple[Bundle, Finish]:
    head = data.partition(b"\nTree=")[0].decode(errors="replace")
    settings = dict(line.partition("=")[::2] for line in head.split("\n"))
    objective = settings.get("objective", "").partition(" ")[0]
    count = settings.get("num_class", "1")
    several = int(count) if count.isdigit() and objective.startswith("multiclass") else 2
    classifies = objective in ("binary", "multiclass", "multiclassova")
    estimator = "LGBMClassifier" if classifies else "LGBMRegressor"
    config = _booster("lightgbm", estimator, list(range(several)) if classifies else None)

    def finish(model: Any) -> None:
        model.n_rounds_ = int(model.booster_.current_iteration())
        give_facts(model, model.booster_.feature_name())

    return _bundle("BoostingModel", "lightgbm_text", config, "model.txt", data), finish


def _xgboost(data: bytes) -> tuple[Bundle, Finish]:
    from tradewright.models.tree_based.ubjson import read_ubjson

    try:
        learner = read_ubjson(data)["learner"]
        objective = str(learner["objective"]["name"])
        several = int(learner["learner_model_param"]["num_class"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, IntegrityError):
            raise
        raise IntegrityError(f"the XGBoost model lacks {error}: save it again", code="bundle.payload") from error
    classifies = objective in ("binary:logistic", "multi:softprob", "multi:softmax")
    classes = list(range(max(several, 2))) if classifies else None
    config = _booster("xgboost", "XGBClassifier" if classifies else "XGBRegressor", classes)

    def finish(model: Any) -> None:
        booster = model.booster_
        names = booster.feature_names or [f"x{j}" for j in range(booster.num_features())]
        booster.feature_names = None  # the model's business; importances ask for f0, f1, …
        model.n_rounds_ = int(booster.num_boosted_rounds())
        give_facts(model, names)

    return _bundle("BoostingModel", "xgboost_ubj", config, "model.ubj", data), finish


def _catboost(data: bytes) -> tuple[Bundle, Finish]:
    classifies = re.search(rb'"loss_function":\s*\{\s*"type":\s*"(Logloss|CrossEntropy|MultiClass)', data) is not None
    estimator = "CatBoostClassifier" if classifies else "CatBoostRegressor"
    config = _booster("catboost", estimator, [0, 1] if classifies else None)

    def finish(model: Any) -> None:
        booster = model.booster_
        if classifies:
            model._classes = tuple(getattr(label, "item", lambda label=label: label)() for label in booster.classes_)
        model.n_rounds_ = int(booster.tree_count_)
        give_facts(model, [str(name) for name in booster.feature_names_])

    return _bundle("BoostingModel", "catboost_cbm", config, "model.cbm", data), finish


def _skops(data: bytes, how: Loading) -> tuple[Bundle, Finish]:
    def finish(model: BaseModel) -> None:
        adopted = adopt(model.estimator_)  # type: ignore[attr-defined]  # a SklearnModel
        if adopted is None:
            raise FormatMismatchError(
                f"{how.path} holds a {type(model.estimator_).__name__} that is not fitted",  # type: ignore[attr-defined]
                code="bundle.not_fitted",
            )
        vars(model).update(vars(adopted))

    return _bundle("SklearnModel", "skops", {"seeded": []}, "model.skops", data), finish
