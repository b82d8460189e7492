"""scikit-learn estimators as skops bytes, and back, without pickle.

skops walks through all of scikit-learn when it is imported, and torch comes in on the way where it is installed: it is
imported by who saves or loads.
"""

from __future__ import annotations

import copy
from typing import Any

from tradewright.errors import IntegrityError, UntrustedTypesError
from tradewright.models.sklearn_tree_check import TREE_TYPES, check_schema, check_trees
from tradewright.models.skops_archive_check import check_archive

__all__ = ["TRUSTED", "dump", "load"]

_KERNELS = "sklearn.gaussian_process.kernels."
#: Types we let skops build beside those it trusts itself: plain Python, or checked by the library that builds them.
#: Types whose state is raw memory for compiled code stay out, as crafted arrays would make them read out of bounds: k-d
#: trees, and all trees but those that are checked.
TRUSTED = frozenset(
    {
        *TREE_TYPES,
        "numpy.dtype",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        *(
            _KERNELS + name
            for name in (
                "CompoundKernel",
                "ConstantKernel",
                "DotProduct",
                "ExpSineSquared",
                "Exponentiation",
                "Matern",
                "Product",
                "RBF",
                "RationalQuadratic",
                "Sum",
                "WhiteKernel",
            )
        ),
    }
)


def dump(estimator: Any) -> bytes:
    """Return a fitted estimator as skops bytes, after checking that :func:`load` will take them.

    Raises
    ------
    UntrustedTypesError
        When the estimator holds types that are not allowed to be built from a file.
    """
    import skops.io

    data: bytes = skops.io.dumps(estimator)
    refused = _refused(skops.io.dumps(_with_one_tree(estimator)))
    try:
        check_trees(estimator)
    except (IntegrityError, UntrustedTypesError):
        refused = sorted({*refused, *TREE_TYPES & set(skops.io.get_untrusted_types(data=data))})
    if refused:
        raise UntrustedTypesError(
            f"the estimator holds {', '.join(refused)}, which cannot be built safely from a file: save with"
            " format='pickle' and load with trusted=True",
            code="bundle.untrusted_types",
            types=refused,
        )
    return data


def load(data: bytes) -> Any:
    """Build an estimator from skops bytes; which types may be built is decided here, never by the file.

    Raises
    ------
    UntrustedTypesError
        When the bytes name other types.
    IntegrityError
        When the trees in them do not hold together.
    """
    import skops.io

    check_archive(data)
    check_schema(data)
    try:
        estimator = skops.io.loads(data, trusted=sorted(TRUSTED))
    except skops.io.exceptions.UntrustedTypesFoundException:
        refused = _refused(data)
        raise UntrustedTypesError(
            f"the file wants to build {', '.join(refused)}, which are not on the list of allowed types: don't load it,"
            " unless you trust its author and can get it as a pickle",
            code="bundle.untrusted_types",
            types=refused,
        ) from None
    check_trees(estimator)
    return estimator


def _with_one_tree(estimator: Any) -> Any:
    """Return the estimator with one tree of its forest: all its types, and far less to look through."""
    if hasattr(estimator, "steps"):
        shorter = copy.copy(estimator)
        shorter.steps = [(name, _with_one_tree(step)) for name, step in estimator.steps]
        return shorter
    bases = {base.__name__ for base in type(estimator).__mro__}
    for base, attribute in (("BaseForest", "estimators_"), ("BaseHistGradientBoosting", "_predictors")):
        if base in bases and hasattr(estimator, attribute):
            shorter = copy.copy(estimator)
            setattr(shorter, attribute, getattr(estimator, attribute)[:1])
            return shorter
    return estimator


def _refused(data: bytes) -> list[str]:
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(data=data)) - TRUSTED)
