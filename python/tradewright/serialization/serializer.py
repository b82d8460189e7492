"""Which format a model is saved in, and how a file is told to be of one."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from tradewright.base import BaseModel
from tradewright.bundle import read_bundle
from tradewright.errors import (
    FormatMismatchError,
    ModelNotFoundError,
    ParameterError,
    SignatureError,
    VersionMismatchError,
)
from tradewright.serialization.formats import FORMATS
from tradewright.serialization.isolation import parse_elsewhere

__all__ = ["FormatName", "ModelSerializer", "load_model", "save_model"]

FormatName = Literal["auto", "native", "pickle"]
#: What a zip archive, and so a bundle, begins with.
_ZIP = b"PK"


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
        sign_with: Any = None,
    ) -> None:
        """Write a fitted model as one bundle file, atomically.

        Parameters
        ----------
        model : BaseModel
            A fitted model.
        path : path-like
            The file to write; its extension means nothing.
        format : {"auto", "native", "pickle"}
            ``"auto"`` and ``"native"``: the library's own safe format (skops, LightGBM text, safetensors).
            ``"pickle"``: for what has no safe format; whoever loads it must trust the file.
        sign_with : Ed25519PrivateKey or path-like, optional
            Sign the bundle with this key of the library cryptography, or with the one in this PEM file without password
            (``pip install 'tradewright[signing]'``).

        Raises
        ------
        NotFittedError
            Before the first fit.
        ParameterError, UntrustedTypesError
            When the format is unknown; when the model holds what the safe format cannot. An old file at ``path`` is
            untouched.
        """
        if format not in get_args(FormatName):
            raise ParameterError(
                f"format={format!r}: pass one of {', '.join(map(repr, get_args(FormatName)))}", code="bundle.format"
            )
        FORMATS["native" if format == "auto" else format].save(model, Path(path), sign_with=sign_with)

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
            A bundle, or a bare pickle of a model.
        format : {"auto", "native", "pickle"}, optional
            What the file is expected to be in; by default anything.
        trusted : bool
            Whether code from the file may be run, which formats of the pickle kind need.
        trusted_keys : iterable of Ed25519PublicKey, str or path-like, optional
            The file must be a bundle signed by one of these keys: objects of the library cryptography, their 64 hex
            digits, or the paths of PEM files. That says who made it; ``trusted`` is still needed to run code.
        isolate : bool
            Parse the file in a process of its own first, under limits of time and memory: for files of strangers. A file
            that kills or floods its parser is then an error here. Takes the seconds that a new process needs to import
            the library; not done for files that are trusted, by ``trusted`` or by their signature.

        Raises
        ------
        ModelNotFoundError
            When there is no file; also a FileNotFoundError.
        SignatureError
            When the signature does not hold, or is not by one of ``trusted_keys``.
        UnsafeFormatError
            When the file is a pickle and ``trusted`` is False.
        ModelLoadError
            When it is damaged, of another format or version, or no model; see its subclasses.
        """
        path = Path(path)
        if format is not None and format not in get_args(FormatName):
            raise ParameterError(
                f"format={format!r}: pass one of {', '.join(map(repr, get_args(FormatName)))}", code="bundle.format"
            )
        wanted = None if format in (None, "auto") else format
        head = _head(path)
        if not head.startswith(_ZIP):
            for candidate in FORMATS.values():
                if candidate.owns_bare(head):
                    _check_wanted(candidate.name, wanted, path)
                    if trusted_keys is not None:
                        raise SignatureError(
                            f"{path} is a bare {candidate.name} file, which cannot be signed: leave trusted_keys out if"
                            " you know where it comes from",
                            code="bundle.not_signed",
                            path=str(path),
                        )
                    return candidate.load_bare(path, trusted=trusted)
        bundle = read_bundle(path, trusted_keys=trusted_keys)
        if isolate and not trusted and trusted_keys is None:
            parse_elsewhere(bundle, path)
        for candidate in FORMATS.values():
            if candidate.owns(bundle.manifest):
                _check_wanted(candidate.name, wanted, path)
                return candidate.load(bundle, path, trusted=trusted)
        raise VersionMismatchError(
            f"{path} holds its model as {bundle.manifest.get('payload_format')!r}, which this tradewright cannot read:"
            " upgrade it",
            code="bundle.payload_format",
            path=str(path),
        )


def save_model(
    model: BaseModel,
    path: str | PathLike[str],
    format: FormatName = "auto",  # noqa: A002
    *,
    sign_with: Any = None,
) -> None:
    """Write a fitted model as one bundle file: :meth:`ModelSerializer.save`."""
    ModelSerializer.save(model, path, format, sign_with=sign_with)


def load_model(
    path: str | PathLike[str],
    *,
    trusted: bool = False,
    trusted_keys: Iterable[Any] | None = None,
    isolate: bool = False,
) -> BaseModel:
    """Read a model that was saved, whatever its class and format: :meth:`ModelSerializer.load`."""
    return ModelSerializer.load(path, trusted=trusted, trusted_keys=trusted_keys, isolate=isolate)


def _head(path: Path) -> bytes:
    """Return the first bytes; nothing for what is no plain file, which the bundle reader has the words for."""
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(16)
    except FileNotFoundError:  # gone in between
        raise ModelNotFoundError(f"there is no file {path}", code="bundle.not_found", path=str(path)) from None


def _check_wanted(found: str, wanted: str | None, path: Path) -> None:
    if wanted is not None and found != wanted:
        raise FormatMismatchError(
            f"{path} is in the format {found!r}, not {wanted!r}: leave format out", code="bundle.format", found=found
        )
