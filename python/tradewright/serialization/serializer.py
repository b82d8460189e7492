"""Which format a model is saved in, and how a file is told to be of one."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tradewright import _optional
from tradewright.base import BaseModel
from tradewright.bundle import read_bundle
from tradewright.errors import (
    FormatMismatchError,
    ModelNotFoundError,
    ParameterError,
    SignatureError,
    VersionMismatchError,
)
from tradewright.serialization.files import write_file
from tradewright.serialization.formats import FORMATS, Loading, Saving

if TYPE_CHECKING:
    from tradewright.serialization.onnx_parity import OnnxParity

__all__ = ["FormatName", "ModelSerializer", "load_model", "save_model"]

FormatName = Literal["auto", "native", "pickle", "joblib", "onnx", "torchscript", "torch_export"]
#: Enough of a file to tell what it is: joblib names its arrays early in a pickle.
_HEAD = 1 << 16


class ModelSerializer:
    """Saves models to one file and loads them; static, there is nothing to configure.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from tradewright import ModelRegistry
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> model = ModelRegistry.create("ridge").fit(X, X[:, 0])
    >>> path = Path(tempfile.mkdtemp()) / "ridge.tw"
    >>> ModelSerializer.save(model, path)
    >>> bool((ModelSerializer.load(path).predict(X) == model.predict(X)).all())
    True
    """

    @staticmethod
    def save(
        model: BaseModel,
        path: str | PathLike[str],
        format: FormatName = "auto",  # noqa: A002  the word users look for
        *,
        X: Any = None,
        allow_mismatch: bool = False,
        sign_with: Any = None,
    ) -> None:
        """Write a fitted model as one bundle file, atomically.

        Parameters
        ----------
        model : BaseModel
            A fitted model.
        path : path-like
            The file to write; its extension means nothing.
        format : {"auto", "native", "pickle", "joblib", "onnx", "torchscript", "torch_export"}
            ``"auto"`` and ``"native"``: the library's own safe format (skops, LightGBM text, XGBoost UBJSON, CatBoost cbm,
            safetensors). ``"pickle"`` and ``"joblib"``: for what has no safe format; whoever loads it must trust the file.
            ``"onnx"``: for serving; comes back as an ``OnnxModel``. ``"torch_export"``, and ``"torchscript"``, which torch
            has deprecated: a torch module without the code that built it; must be trusted too.
        X : table, optional
            Real rows for ``"onnx"``: see :meth:`export_onnx`.
        allow_mismatch : bool
            For ``"onnx"``: see :meth:`export_onnx`.
        sign_with : Ed25519PrivateKey or path-like, optional
            Sign the bundle with this key of the library cryptography, or with the one in this PEM file without password
            (``pip install 'tradewright[signing]'``).

        Raises
        ------
        NotFittedError
            Before the first fit.
        ParameterError, UntrustedTypesError, UnsupportedError
            When the format is unknown; when the model holds what the safe format cannot; when the format is none for this
            model. An old file at ``path`` is untouched.
        """
        if format not in get_args(FormatName):
            raise _unknown(format)
        FORMATS["native" if format == "auto" else format].save(model, Path(path), Saving(X, allow_mismatch, sign_with))

    @staticmethod
    def load(
        path: str | PathLike[str],
        format: FormatName | None = None,  # noqa: A002
        *,
        trusted: bool = False,
        trusted_keys: Iterable[Any] | None = None,
        isolate: bool = False,
    ) -> BaseModel:
        """Read a model that was saved.

        The format is found by what the file holds, never by its name. Digests are verified before any parser sees a
        byte; they find damage, they don't prove who wrote the file.

        Parameters
        ----------
        path : path-like
            A bundle; or what a library wrote by itself: a pickle or joblib file of a model or a fitted estimator, an ONNX
            file, a LightGBM text, an XGBoost UBJSON file, a CatBoost cbm, a skops archive.
        format : str, optional
            What the file is expected to be in, as in :meth:`save`; by default anything.
        trusted : bool
            Whether code from the file may be run, which formats of the pickle kind need, and whether a file without a
            bundle around it may be handed to its library.
        trusted_keys : iterable of Ed25519PublicKey, str or path-like, optional
            The file must be a bundle signed by one of these keys: objects of the library cryptography, their 64 hex
            digits, or the paths of PEM files. That says who made it; ``trusted`` is still needed to run code.
        isolate : bool
            Whether a library's own format is parsed in a process of its own first, under limits of time and memory: for
            files of strangers. A file that kills or floods its parser is then an error here. Takes the seconds that a new
            process needs to import the library; not done for files that are trusted, by ``trusted`` or their signature.

        Raises
        ------
        ModelNotFoundError
            When there is no file; also a FileNotFoundError.
        SignatureError
            When the signature does not hold, or is not by one of ``trusted_keys``.
        UnsafeFormatError
            When the file needs ``trusted=True``.
        VersionMismatchError
            When the libraries at hand cannot be relied on to read what others wrote; see ``docs/saving.md``.
        ModelLoadError
            When it is damaged, of another format or version, or no model; see its subclasses.
        """
        path = Path(path)
        if format is not None and format not in get_args(FormatName):
            raise _unknown(format)
        wanted = None if format in (None, "auto") else format
        how = Loading(path, trusted=trusted, isolate=isolate and trusted_keys is None)
        head = _head(path)
        for candidate in FORMATS.values():
            if candidate.owns_bare(head):
                _check_wanted(candidate.name, wanted, path)
                if trusted_keys is not None:
                    raise _unsigned(path, candidate.name)
                return candidate.load_bare(how)
        bundle = read_bundle(path, trusted_keys=trusted_keys)
        for candidate in FORMATS.values():
            if candidate.owns(bundle.manifest):
                _check_wanted(candidate.name, wanted, path)
                return candidate.load(bundle, how)
        raise VersionMismatchError(
            f"{path} holds its model as {bundle.manifest.get('payload_format')!r}, which this tradewright cannot read:"
            " upgrade it",
            code="bundle.payload_format",
            path=str(path),
        )

    @staticmethod
    def export_onnx(
        model: BaseModel,
        path: str | PathLike[str],
        X: Any = None,
        *,
        tolerance: float = 1e-5,
        allow_mismatch: bool = False,
    ) -> OnnxParity:
        """Write a fitted model as the plain file that ONNX Runtime opens, atomically.

        The file is the whole model: scaling, missing values, the start of a loss, the order of the classes. Its input
        ``X`` is float64, shape (n_rows, n_features), so that nothing is rounded on the way in; its outputs are
        ``prediction``, or ``label`` and ``probabilities``. Feature names, classes, the model's metadata and the parity are
        in the file's own metadata, under ``tradewright``.

        Parameters
        ----------
        model : SklearnModel, BoostingModel or TorchModel
            Fitted. Sequence models, linear trees, and what skl2onnx or torch cannot convert, are refused.
        path : path-like
            The file to write.
        X : Panel, frame or array, optional
            Real rows on which both are compared; by default some of the train rows, which a model keeps until it is saved
            and loaded.
        tolerance : float
            The largest difference allowed, in standard deviations of the predictions; of a probability, as it is.
        allow_mismatch : bool
            Whether to write a file that differs by more; the file then says so.

        Returns
        -------
        OnnxParity
            How far apart both are, and the features of which float32 has no room for the values.

        Raises
        ------
        UnsupportedError
            When the model has no ONNX form, or one that differs too much; nothing is written.
        ParameterError
            When there are no rows to compare on.
        MissingExtraError
            Without the extra ``onnx``.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> from tradewright import ModelRegistry
        >>> X = np.random.default_rng(0).normal(size=(200, 3))
        >>> model = ModelRegistry.create("lightgbm", n_estimators=5).fit(X, X[:, 0])
        >>> ModelSerializer.export_onnx(model, Path(tempfile.mkdtemp()) / "model.onnx").max_rel_error < 1e-12
        True
        """
        for library in ("onnx", "onnxruntime"):
            _optional.require(library, "export_onnx")
        from tradewright.serialization.onnx_export import to_onnx
        from tradewright.serialization.onnx_parity import OnnxParity

        served = to_onnx(model, X, tolerance=tolerance, allow_mismatch=allow_mismatch)
        write_file(path, served.to_bytes())
        return OnnxParity.from_dict(served.parity)


def save_model(
    model: BaseModel,
    path: str | PathLike[str],
    format: FormatName = "auto",  # noqa: A002
    *,
    X: Any = None,
    allow_mismatch: bool = False,
    sign_with: Any = None,
) -> None:
    """Write a fitted model as one bundle file: :meth:`ModelSerializer.save`."""
    ModelSerializer.save(model, path, format, X=X, allow_mismatch=allow_mismatch, sign_with=sign_with)


def load_model(
    path: str | PathLike[str],
    *,
    trusted: bool = False,
    trusted_keys: Iterable[Any] | None = None,
    isolate: bool = False,
) -> BaseModel:
    """Read a model that was saved, whatever its class and format: :meth:`ModelSerializer.load`."""
    return ModelSerializer.load(path, trusted=trusted, trusted_keys=trusted_keys, isolate=isolate)


def _unsigned(path: Path, kind: str) -> SignatureError:
    return SignatureError(
        f"{path} is a bare file of the format {kind!r}, which cannot be signed: leave trusted_keys out if you know where it"
        " comes from",
        code="bundle.not_signed",
        path=str(path),
    )


def _unknown(format_: object) -> ParameterError:
    return ParameterError(
        f"format={format_!r}: pass one of {', '.join(map(repr, get_args(FormatName)))}", code="bundle.format"
    )


def _head(path: Path) -> bytes:
    """Return the first bytes; nothing for what is no plain file, which the bundle reader has the words for."""
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except FileNotFoundError:  # gone in between
        raise ModelNotFoundError(f"there is no file {path}", code="bundle.not_found", path=str(path)) from None


def _check_wanted(found: str, wanted: str | None, path: Path) -> None:
    if wanted is not None and found != wanted:
        raise FormatMismatchError(
            f"{path} is in the format {found!r}, not {wanted!r}: leave format out", code="bundle.format", found=found
        )
