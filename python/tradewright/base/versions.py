"""Which versions of a library may read what others wrote.

Each format has one library whose version matters, and a policy: *hard* refuses what that library does not promise to
read, *soft* warns. The versions are those the model was saved with.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tradewright.errors import VersionMismatchError
from tradewright.runtime.environment import library_versions

__all__ = ["POLICIES", "VersionPolicy", "VersionWarning", "check_versions"]

_Change = Literal["minor", "major", "newer"]


class VersionWarning(UserWarning):
    """A model was saved with another version of a library than the one that reads it."""


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """What is made of a difference in versions.

    Parameters
    ----------
    library : str
        The distribution.
    hard, soft : {"minor", "major", "newer"} or None
        Refused, and warned of: another minor version, another major version, or a file of a newer major version than the
        library at hand.
    """

    library: str
    hard: _Change | None
    soft: _Change | None


#: Payload format → its policies.
POLICIES: Mapping[str, tuple[VersionPolicy, ...]] = {
    # scikit-learn promises nothing across versions, and a pickle brings its attributes back unseen.
    "pickle": (VersionPolicy("scikit-learn", "minor", None), VersionPolicy("torch", None, "major")),
    "joblib": (VersionPolicy("scikit-learn", "minor", None), VersionPolicy("torch", None, "major")),
    "skops": (VersionPolicy("scikit-learn", "major", "minor"),),
    # These read whatever they wrote in earlier versions.
    "lightgbm_text": (VersionPolicy("lightgbm", None, "newer"),),
    "xgboost_ubj": (VersionPolicy("xgboost", None, "newer"),),
    "catboost_cbm": (VersionPolicy("catboost", None, "newer"),),
    "safetensors": (),  # numbers and names: the module's code is ours, or the user's
    "onnx": (),  # ONNX Runtime says by itself what it cannot read
    "torchscript": (VersionPolicy("torch", None, "newer"),),
    "torch_export": (VersionPolicy("torch", None, "minor"),),
}


def check_versions(manifest: Mapping[str, Any]) -> None:
    """Compare the versions a bundle was saved with with those at hand.

    Raises
    ------
    VersionMismatchError
        Where the format's policy refuses the difference; where it is soft, a :class:`VersionWarning` is given.
    """
    saved = _saved_with(manifest)
    for policy in POLICIES.get(str(manifest.get("payload_format")), ()):
        was, now = saved.get(policy.library), _installed(policy.library)
        if was is None or now is None:
            continue
        if _differs(policy.hard, was, now):
            raise VersionMismatchError(
                f"the model was saved with {policy.library} {was}, here is {now}, which promises nothing for such a file:"
                f" load it with {policy.library}=={was}"
                + (" and save it with format='auto'" if policy.soft is None else ""),
                code="bundle.library_version",
                library=policy.library,
                saved=was,
                have=now,
            )
        if _differs(policy.soft, was, now):
            warnings.warn(
                f"the model was saved with {policy.library} {was} and is read by {now}: compare some predictions before you"
                " rely on it",
                VersionWarning,
                stacklevel=6,
            )


def _saved_with(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The versions at saving; bundles that don't say so have those of the fit."""
    saved = manifest.get("saved_with")
    if not isinstance(saved, Mapping):
        metadata = manifest.get("metadata")
        saved = metadata.get("library_versions") if isinstance(metadata, Mapping) else None
    return saved if isinstance(saved, Mapping) else {}


def _installed(library: str) -> str | None:
    return library_versions(library).get(library)


def _differs(change: _Change | None, was: Any, now: str) -> bool:
    if change is None:
        return False
    before, after = _numbers(was), _numbers(now)
    if before is None or after is None:
        return False
    if change == "newer":
        return before[0] > after[0]
    return before[0] != after[0] if change == "major" else before != after


def _numbers(version: Any) -> tuple[int, int] | None:
    """Return major and minor; None for what is no version."""
    found = re.match(r"(\d+)\.(\d+)", str(version))
    return None if found is None else (int(found[1]), int(found[2]))
