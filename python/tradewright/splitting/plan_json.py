"""A plan as JSON: small, checked by its digest and a seal over all that is written."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradewright.errors import SplitError
from tradewright.splitting.table import PlanTable

if TYPE_CHECKING:
    from tradewright.splitting.plan import SplitPlan

__all__ = ["dump", "load"]

_SCHEMA = 2

#: The arrays of a table, with their shapes.
_TABLE: dict[str, tuple[int, ...]] = {"segments": (-1, 4), "times": (-1, 2), "hulls": (-1, 6), "layout": (-1,)}


def dump(plan: SplitPlan) -> str:
    """Write a plan; see :meth:`SplitPlan.to_json`."""
    order = None
    if plan.order is not None:
        # One number per row: compressed, since it is the only part that grows with the data.
        order = base64.b64encode(zlib.compress(plan.order.astype("<i8").tobytes())).decode()
    values = {
        "schema": _SCHEMA,
        "n_rows": plan.n_rows,
        "digest": plan.digest,
        "splitter": plan.splitter,
        "data_fingerprint": plan.data_fingerprint,
        "time_unit": plan.time_unit,
        "time_zone": plan.time_zone,
        "label_ends": plan.has_label_ends,
        "table": {name: getattr(plan.table, name).tolist() for name in _TABLE},
        "order": order,
    }
    return json.dumps(values | {"seal": _seal(values)})


def load(text: str, cls: type[SplitPlan]) -> SplitPlan:
    """Read what :func:`dump` wrote; see :meth:`SplitPlan.from_json`."""
    try:
        values = json.loads(text)
        if values["schema"] != _SCHEMA:
            raise ValueError(f"schema {values['schema']}, this version reads {_SCHEMA}")
        columns = {name: _integers(values["table"][name], name, shape) for name, shape in _TABLE.items()}
        order = values["order"]
        if order is not None:
            order = np.frombuffer(zlib.decompress(base64.b64decode(order)), dtype="<i8").astype(np.int64)
        plan = cls(
            PlanTable(**columns),
            int(_integers([values["n_rows"]], "n_rows", (1,))[0]),
            order,
            splitter=values["splitter"],
            data_fingerprint=values["data_fingerprint"],
            time_unit=values["time_unit"],
            time_zone=values["time_zone"],
            has_label_ends=values["label_ends"],
        )
        expected, seal = values["digest"], values.pop("seal")
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, zlib.error) as error:
        raise SplitError(f"this is not the JSON of a plan: {error!r}", code="plan.json") from error
    if plan.digest != expected or _seal(values) != seal:
        raise SplitError("the plan's digest does not hold: the text was changed", code="plan.digest")
    return plan


def _seal(values: dict[str, Any]) -> str:
    """128 bits of all that a plan's JSON says, however it is written."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(f"tradewright plan json {text}".encode(), digest_size=16).hexdigest()


def _integers(values: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Numbers of a JSON text as int64, none of them rounded or wrapped on the way."""
    # Objects first: numpy would make floats of integers that are too large, and integers of floats and booleans.
    found = np.array(values, dtype=object)
    if not all(type(value) is int for value in found.flat):
        raise ValueError(f"{name} holds what is no integer")
    return found.reshape(shape).astype(np.int64)
