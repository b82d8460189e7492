"""Ed25519 signatures of bundles, by the library ``cryptography``.

What is signed is the digest of the manifest, which covers every payload. A signature proves that the holder of a key
made the file; it does not say who that is, or that the file is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewright import _optional
from tradewright.errors import ParameterError, SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["check_signature", "signature_of"]

_ALGORITHM = "ed25519"
#: In front of what is signed, so that a signature made for anything else is none of a bundle.
_CONTEXT = b"tradewright bundle\0"


def signature_of(digest: str, key: Any) -> dict[str, str]:
    """Sign the digest of a manifest.

    Raises
    ------
    ParameterError, MissingExtraError
        When the key is no Ed25519 private key; when cryptography is not installed.
    """
    private = _private(key)
    return {
        "algorithm": _ALGORITHM,
        "public_key": private.public_key().public_bytes_raw().hex(),
        "value": private.sign(_CONTEXT + digest.encode("ascii")).hex(),
    }


def check_signature(manifest: Mapping[str, Any], trusted: Iterable[Any] | None, path: Path) -> str | None:
    """Return the public key (hex) whose signature the bundle bears; None when nobody checked it, or there is none.

    Parameters
    ----------
    manifest : mapping
        Whose digest holds.
    trusted : iterable of keys, or None
        With keys, the bundle must be signed by one of them. Without, a signature is checked where cryptography is
        installed.

    Raises
    ------
    SignatureError
        When the signature does not hold, or, with ``trusted``, there is none by one of the keys.
    """
    known = None if trusted is None else {_public(key).public_bytes_raw().hex() for key in _several(trusted)}
    found = manifest.get("signature")
    if found is None:
        if known is not None:
            raise SignatureError(
                f"{path} is not signed, and trusted_keys asks for a signature: get the signed file, or leave"
                " trusted_keys out if you know where it comes from",
                code="bundle.not_signed",
                path=str(path),
            )
        return None
    signer = _signer(found, path)
    if known is not None and signer not in known:
        raise SignatureError(
            f"{path} is signed with the key {signer}, which is not among the {len(known)} in trusted_keys",
            code="bundle.foreign_key",
            path=str(path),
            signer=signer,
        )
    if known is None and not _optional.is_available("cryptography"):
        return None
    from cryptography.exceptions import InvalidSignature

    try:
        _public(signer).verify(bytes.fromhex(found["value"]), _CONTEXT + str(manifest["digest"]).encode("ascii"))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(
            f"{path} bears a signature that its key did not make: it was changed after it was signed. Don't load it",
            code="bundle.signature",
            path=str(path),
            signer=signer,
        ) from error
    return signer


def _signer(found: Any, path: Path) -> str:
    shape = {"algorithm": _ALGORITHM, "public_key": 64, "value": 128}
    if isinstance(found, dict) and found.keys() == shape.keys() and found["algorithm"] == _ALGORITHM:
        key, value = found["public_key"], found["value"]
        if _is_hex(key, 64) and _is_hex(value, 128):
            return str(key)
    raise SignatureError(
        f"{path} bears a signature of a kind this tradewright does not know: it was changed, or a newer version made it",
        code="bundle.signature",
        path=str(path),
    )


def _is_hex(text: Any, length: int) -> bool:
    return isinstance(text, str) and len(text) == length and set(text) <= set("0123456789abcdef")


def _several(keys: Any) -> list[Any]:
    if isinstance(keys, str | bytes | PathLike) or hasattr(keys, "public_bytes_raw"):
        raise ParameterError("trusted_keys is a list of keys: put brackets around the one", code="bundle.keys")
    found = list(keys)
    if not found:
        raise ParameterError("trusted_keys is empty, so nothing could be loaded: pass a key", code="bundle.keys")
    return found


def _private(key: Any) -> Ed25519PrivateKey:
    _optional.require("cryptography", "signing a bundle")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if isinstance(key, str | PathLike):
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = _from_pem(key, lambda data: load_pem_private_key(data, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise ParameterError(
            f"sign_with is a {type(key).__name__}: pass an Ed25519PrivateKey of cryptography, or the path of its PEM file",
            code="bundle.keys",
        )
    return key


def _public(key: Any) -> Ed25519PublicKey:
    _optional.require("cryptography", "trusted_keys")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if _is_hex(key, 64):
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    if isinstance(key, str | PathLike):
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key = _from_pem(key, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        hint = ", not the private one" if hasattr(key, "private_bytes_raw") else ""
        raise ParameterError(
            f"trusted_keys holds a {type(key).__name__}: pass the Ed25519PublicKey of cryptography{hint}, its 64 hex"
            " digits, or the path of its PEM file",
            code="bundle.keys",
        )
    return key


def _from_pem(path: Any, load: Any) -> Any:
    try:
        return load(Path(path).read_bytes())
    except FileNotFoundError:
        raise ParameterError(f"there is no key file {path}", code="bundle.keys", path=str(path)) from None
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"{path} is not a PEM file of an Ed25519 key without password ({error})", code="bundle.keys", path=str(path)
        ) from error
