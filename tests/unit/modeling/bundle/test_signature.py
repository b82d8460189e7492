"""Signatures: by one of the keys that are trusted, over every byte, or an error."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tradewright as tw
from tradewright.bundle import read_bundle, write_bundle
from tradewright.bundle.archive import read_archive
from tradewright.errors import IntegrityError, MissingExtraError, ParameterError, SignatureError, UnsafeFormatError

serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa  # noqa: E402
from forging import archive_of, forged, member  # noqa: E402


@pytest.fixture(scope="module")
def key():
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def pem(key, tmp_path_factory):
    """Both keys as PEM files."""
    folder = tmp_path_factory.mktemp("keys")
    secret, public = folder / "secret.pem", folder / "public.pem"
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return secret, public


@pytest.fixture
def signed(key, tmp_path):
    path = tmp_path / "signed.tw"
    write_bundle(path, {"a": 1}, {"p.bin": b"abc"}, sign_with=key)
    return path


def test_a_signed_bundle_names_its_signer(signed, key):
    signer = key.public_key().public_bytes_raw().hex()
    assert read_bundle(signed).signer == signer
    assert read_bundle(signed, trusted_keys=[key.public_key()]).signer == signer


def test_keys_are_objects_hex_digits_or_files(signed, key, pem):
    secret, public = pem
    for trusted in (key.public_key(), key.public_key().public_bytes_raw().hex(), public, str(public)):
        assert read_bundle(signed, trusted_keys=[trusted]).payloads == {"p.bin": b"abc"}
    write_bundle(signed, {"a": 2}, {}, sign_with=secret)
    assert read_bundle(signed, trusted_keys=[public]).manifest["a"] == 2


def test_others_keys_and_no_signature_are_refused(signed, key, tmp_path):
    stranger = ed25519.Ed25519PrivateKey.generate().public_key()
    with pytest.raises(SignatureError, match="not among the 1 in trusted_keys"):
        read_bundle(signed, trusted_keys=[stranger])
    assert read_bundle(signed, trusted_keys=[stranger, key.public_key()]).signer is not None
    plain = tmp_path / "plain.tw"
    write_bundle(plain, {}, {})
    assert read_bundle(plain).signer is None
    with pytest.raises(SignatureError, match="is not signed"):
        read_bundle(plain, trusted_keys=[key.public_key()])


@pytest.mark.parametrize("trusting", [True, False])
def test_any_change_after_signing_is_found(signed, key, trusting):
    """Also without trusted_keys: a signature that is there must hold."""
    keys = [key.public_key()] if trusting else None
    honest = signed.read_bytes()
    for change in (
        {"manifest": lambda found: found.update(a=2)},
        {"payloads": lambda found: found.update({"p.bin": b"abd"})},
        {"manifest": lambda found: found["signature"].update(value="0" * 128)},
        {"manifest": lambda found: found["signature"].update(value="0")},
        {"manifest": lambda found: found["signature"].update(algorithm="none")},
        {"manifest": lambda found: found["signature"].update(more=1)},
    ):
        signed.write_bytes(honest)
        signed.write_bytes(forged(signed, **change))
        with pytest.raises(SignatureError):
            read_bundle(signed, trusted_keys=keys)


def test_a_signature_of_another_bundle_does_not_hold(signed, key, tmp_path):
    other = tmp_path / "other.tw"
    write_bundle(other, {"a": 2}, {}, sign_with=key)
    foreign = read_bundle(other).manifest["signature"]
    signed.write_bytes(forged(signed, manifest=lambda found: found.update(signature=foreign)))
    with pytest.raises(SignatureError, match="its key did not make"):
        read_bundle(signed, trusted_keys=[key.public_key()])


def test_a_signature_taken_away_is_missed(signed, key):
    signed.write_bytes(forged(signed, manifest=lambda found: found.pop("signature")))
    read_bundle(signed)
    with pytest.raises(SignatureError, match="not signed"):
        read_bundle(signed, trusted_keys=[key.public_key()])


def test_digests_come_first(signed):
    raw = bytearray(signed.read_bytes())
    raw[raw.index(b"abc")] ^= 1
    signed.write_bytes(raw)
    with pytest.raises(IntegrityError):
        read_bundle(signed)


def test_the_signature_is_the_only_difference(key, tmp_path):
    for name, options in {"plain.tw": {}, "signed.tw": {"sign_with": key}}.items():
        write_bundle(tmp_path / name, {"a": 1}, {"p": b"x"}, **options)
    manifests = []
    for name in ("plain.tw", "signed.tw"):
        with (tmp_path / name).open("rb") as file:
            manifests.append(read_archive(file, tmp_path / name, keep=False)[0])
    manifests[1].pop("signature")
    assert manifests[0] == manifests[1]


def test_wrong_keys_are_told_what_they_should_be(signed, key, pem, tmp_path):
    secret, public = pem
    foreign = tmp_path / "rsa.pem"
    foreign.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    for wrong in (b"x" * 32, key.public_key(), tmp_path / "nothing.pem", public, foreign):
        with pytest.raises(ParameterError):
            write_bundle(tmp_path / "new.tw", {}, {}, sign_with=wrong)
    assert not (tmp_path / "new.tw").exists()
    for wrong in ([key], [b"x"], [secret], [], "ab" * 32, key.public_key(), [tmp_path / "nothing.pem"], ["xy"]):
        with pytest.raises(ParameterError):
            read_bundle(signed, trusted_keys=wrong)


def test_without_cryptography(signed, key, monkeypatch):
    trusted = key.public_key().public_bytes_raw().hex()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert read_bundle(signed).signer is None  # nobody looked
    with pytest.raises(MissingExtraError, match=r"tradewright\[signing\]"):
        read_bundle(signed, trusted_keys=[trusted])
    with pytest.raises(MissingExtraError, match=r"tradewright\[signing\]"):
        write_bundle(signed, {}, {}, sign_with=key)


def test_models_are_signed_in_every_kind_of_format(key, tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 2))
    model = tw.ModelRegistry.create("ridge").fit(X, X[:, 0])
    trusted = [key.public_key()]
    for format_ in ("auto", "pickle", "joblib"):
        path = tmp_path / f"{format_}.tw"
        tw.save_model(model, path, format_, sign_with=key)
        back = tw.load_model(path, trusted_keys=trusted, trusted=format_ != "auto")
        assert np.array_equal(back.predict(X), model.predict(X))
    with pytest.raises(UnsafeFormatError):  # a signature says who, not that code may run
        tw.load_model(tmp_path / "pickle.tw", trusted_keys=trusted)
    model.save(tmp_path / "own.tw", sign_with=key)
    assert type(model).load(tmp_path / "own.tw", trusted_keys=trusted).is_fitted
    (tmp_path / "bare.pkl").write_bytes(archive_of([(member("schema.json"), b"{}")]))
    with pytest.raises(SignatureError, match="bare file"):
        tw.load_model(tmp_path / "bare.pkl", trusted_keys=trusted, trusted=True)
