"""TorchScript and torch.export: torch modules that travel without the code that built them. Both can run code."""

from __future__ import annotations

import io
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tradewright import _optional
from tradewright.base import BaseModel
from tradewright.base.rebuild import known_facts
from tradewright.base.versions import check_versions
from tradewright.bundle import Bundle, write_bundle
from tradewright.errors import FormatMismatchError, ModelLoadError, TradewrightError, UnsupportedError
from tradewright.serialization.formats.base import Loading, Saving
from tradewright.serialization.formats.pickled import require_trust
from tradewright.serialization.formats.pt2_check import check_pt2

__all__ = ["TorchExport", "TorchScript"]

_MODULE, _SCALING = "module.pt2", "scaling.safetensors"


class _TorchFormat(ABC):
    """A module in a format of torch's, its scaling as safetensors, in a bundle."""

    name: str
    _movable: ClassVar[bool]

    def save(self, model: BaseModel, path: Path, how: Saving) -> None:
        """Write the bundle.

        Raises
        ------
        UnsupportedError
            For models that are no TorchModel, and modules that torch cannot turn into this format.
        """
        self._check_python()
        manifest = model.outer_manifest(self.name)
        if not any(base.__name__ == "TorchModel" for base in type(model).__mro__):
            raise UnsupportedError(
                f"format={self.name!r} is for torch modules, this is a {type(model).__name__}: use format='auto'",
                code="torch.format",
            )
        from tradewright.models.neural import served_module

        given: Any = model
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch's own coming changes
                data = self._dump(served_module.host_copy(given), served_module.example_of(given))
        except Exception as error:  # whatever a tracer raises
            reason = str(error).strip().split("\n")[0][:200]
            raise UnsupportedError(
                f"torch cannot save this {type(given.module_).__name__} as {self.name} ({type(error).__name__}: {reason}):"
                " register its builder with ModuleRegistry and use format='auto', or use format='pickle'",
                code="torch.format",
            ) from error
        manifest["config"] = served_module.served_config(given)
        payloads = {_MODULE: data, _SCALING: served_module.served_payload(given.scaler_)}
        write_bundle(path, manifest, payloads, sign_with=how.sign_with)

    def owns(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the payload is of this format."""
        return manifest.get("payload_format") == self.name

    def load(self, bundle: Bundle, how: Loading) -> BaseModel:
        """Rebuild the model of a verified bundle; needs trust."""
        require_trust(how, f"{self.name} archive")
        self._check_python()
        check_versions(bundle.manifest)
        _optional.require("torch", "TorchModel")
        _optional.require("safetensors", "TorchModel")
        from tradewright.models.neural.served_module import rebuild_served

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = self._load(bundle.payloads[_MODULE])
            model = rebuild_served(bundle.manifest["config"], bundle.payloads[_SCALING], module, movable=self._movable)
            model._metadata = known_facts(bundle.manifest["metadata"])
        except TradewrightError:
            raise
        except Exception as error:  # whatever torch raises
            raise ModelLoadError(
                f"{how.path}: the {self.name} archive cannot be loaded ({type(error).__name__}:"
                f" {str(error)[:200]}): load it with the torch it was saved with",
                code="bundle.rebuild",
                path=str(how.path),
            ) from error
        return model

    def owns_bare(self, head: bytes) -> bool:
        """Return False: without the scaling and the names of its features a module is no model."""
        return False

    def load_bare(self, how: Loading) -> BaseModel:
        """Refuse, as :meth:`owns_bare` does."""
        raise FormatMismatchError(f"{how.path} is not a bundle", code="bundle.not_a_bundle", path=str(how.path))

    def _check_python(self) -> None:  # noqa: B027  most formats have nothing to say
        """Refuse, or warn, where torch does."""

    @abstractmethod
    def _dump(self, module: Any, example: Any) -> bytes: ...

    @abstractmethod
    def _load(self, data: bytes) -> Any: ...


class TorchScript(_TorchFormat):
    """torch's older format; torch itself has deprecated it, and refuses it on Python 3.14 and newer."""

    name = "torchscript"
    _movable = True

    def _check_python(self) -> None:
        if sys.version_info >= (3, 14):
            raise UnsupportedError(
                "torch refuses TorchScript on Python 3.14 and newer: use format='torch_export', or 'auto', which needs no"
                " trust",
                code="torch.script_python",
            )
        warnings.warn(
            "TorchScript is deprecated by torch, and refused on Python 3.14 and newer: use format='torch_export', or"
            " 'auto', which needs no trust",
            FutureWarning,
            stacklevel=5,
        )

    def _dump(self, module: Any, example: Any) -> bytes:
        import torch

        try:
            scripted = torch.jit.script(module)
        except Exception:  # noqa: BLE001  what cannot be compiled can often be traced
            scripted = torch.jit.trace(module, (example,))  # type: ignore[no-untyped-call]
        file = io.BytesIO()
        torch.jit.save(scripted, file)
        return file.getvalue()

    def _load(self, data: bytes) -> Any:
        import torch

        return torch.jit.load(io.BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]


class TorchExport(_TorchFormat):
    """torch's newer format: the graph of the module, for any number of rows. It only predicts."""

    name = "torch_export"
    _movable = False

    def _dump(self, module: Any, example: Any) -> bytes:
        import torch

        program = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        file = io.BytesIO()
        torch.export.save(program, file)
        return file.getvalue()

    def _load(self, data: bytes) -> Any:
        check_pt2(data)
        import torch

        from tradewright.models.neural.served_module import FrozenModule

        return FrozenModule(torch.export.load(io.BytesIO(data)).module())
