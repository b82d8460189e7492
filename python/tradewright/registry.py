"""One generic registry, used for models, losses and optimizers."""

from __future__ import annotations

import builtins
import difflib
import importlib
import operator
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, Generic, TypeVar, cast

from tradewright._optional import is_available, missing
from tradewright.errors import RegistryError, UnknownNameError

__all__ = ["Registry", "RegistryEntry"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """What is known of one name, without importing anything.

    Parameters
    ----------
    name : str
        The name.
    aliases, tags : tuple of str
        Its further names, and what it is found by; sorted.
    package : str or None
        The installed package that announced it; None where it was registered by a call.
    reason : str or None
        Why it cannot be made here, and what to install; None when it can.
    """

    name: str
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    package: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Entry:
    target: Callable[..., Any] | str
    tags: frozenset[str]
    requires: tuple[str, ...]
    package: str | None = None


class Registry(Generic[T]):
    """Names for things that can be made: classes, or factories that return an instance.

    Parameters
    ----------
    kind : str
        What the names stand for, as it appears in messages: ``"model"``.
    entry_points : str, optional
        The entry-point group in which other packages announce their own entries.

    Examples
    --------
    >>> shapes = Registry[object]("shape")
    >>> @shapes.register("circle", tags=["round"], aliases=["disc"])
    ... class Circle:
    ...     def __init__(self, radius=1.0):
    ...         self.radius = radius
    >>> shapes.create("disc", radius=2.0).radius
    2.0
    >>> shapes.list(), shapes.search("round")
    (['circle'], ['circle'])
    >>> shapes.create("circel")
    Traceback (most recent call last):
    tradewright.errors.UnknownNameError: no shape is called 'circel'; did you mean 'circle'?
    """

    def __init__(self, kind: str, *, entry_points: str | None = None) -> None:
        self.kind = kind
        self._entry_points = entry_points
        self._entries: dict[str, _Entry] = {}
        self._aliases: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<registry of {len(self._entries)} {self.kind} names>"

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._entries or name in self._aliases

    def register(
        self,
        name: str,
        target: Callable[..., T] | str | None = None,
        *,
        aliases: Iterable[str] = (),
        tags: Iterable[str] = (),
        requires: Iterable[str] = (),
    ) -> Callable[[F], F]:
        """Register a class or factory under ``name``; a decorator, or a call with a ``target``.

        Parameters
        ----------
        name : str
            The name to register.
        target : callable or str, optional
            What to make; a string ``"pkg.mod:Class"`` is imported when first used.
        aliases : iterable of str
            Further names of the same entry.
        tags : iterable of str
            What :meth:`search` finds it by.
        requires : iterable of str
            Import names of optional libraries without which the entry cannot be made.

        Raises
        ------
        RegistryError
            When one of the names is taken, or given twice; when a string target is not ``"pkg.mod:Class"``.
        """
        names = (name, *aliases)

        def add(made: Callable[..., Any] | str) -> None:
            for place, taken in enumerate(names):
                if taken in self._entries or taken in self._aliases or taken in names[:place]:
                    raise RegistryError(
                        f"the {self.kind} name {taken!r} is taken; choose another name",
                        code="registry.duplicate",
                        name=taken,
                    )
            if isinstance(made, str) and not all(made.partition(":")):
                raise RegistryError(
                    f"the target {made!r} of the {self.kind} {name!r} names no object: write 'package.module:Class'",
                    code="registry.target",
                    name=name,
                )
            self._entries[name] = _Entry(made, frozenset(tags), tuple(requires))
            self._aliases.update(dict.fromkeys(names[1:], name))

        def decorate(made: F) -> F:
            add(made)
            return made

        if target is not None:
            add(target)
        return decorate

    def get(self, name: str) -> Callable[..., T]:
        """Return the class or factory called ``name``.

        Raises
        ------
        UnknownNameError
            When there is none; also a ValueError. The message lists the nearest names.
        MissingExtraError
            When the entry needs a library that is not installed.
        RegistryError
            When what an installed package announces cannot be imported; names the package.
        """
        entry = self._entry(name)
        for module in entry.requires:
            if not is_available(module):
                raise missing(module, f"the {self.kind} {name!r}")
        if isinstance(entry.target, str):
            made = self._import(name, entry)
            self._entries[self._aliases.get(name, name)] = replace(entry, target=made)
            return cast("Callable[..., T]", made)
        return cast("Callable[..., T]", entry.target)

    def create(self, name: str, /, **params: Any) -> T:
        """Make an instance: ``get(name)(**params)``."""
        return self.get(name)(**params)

    def unavailable(self) -> dict[str, str]:
        """Return the entries that cannot be made here, with the reason."""
        self._discover()
        return {
            name: str(missing(module, f"the {self.kind} {name!r}"))
            for name, entry in sorted(self._entries.items())
            for module in entry.requires[:1]
            if not is_available(module)
        }

    def entries(self) -> builtins.list[RegistryEntry]:
        """Return what is known of each name, sorted by name."""
        reasons = self.unavailable()
        aliases: dict[str, builtins.list[str]] = {}
        for alias, name in sorted(self._aliases.items()):
            aliases.setdefault(name, []).append(alias)
        return [
            RegistryEntry(
                name, tuple(aliases.get(name, ())), tuple(sorted(entry.tags)), entry.package, reasons.get(name)
            )
            for name, entry in sorted(self._entries.items())
        ]

    def search(self, tag: str) -> builtins.list[str]:
        """Return the names that carry ``tag``, sorted."""
        self._discover()
        return sorted(name for name, entry in self._entries.items() if tag in entry.tags)

    def list(self) -> builtins.list[str]:
        """Return all names without aliases, sorted."""
        self._discover()
        return sorted(self._entries)

    def _entry(self, name: str) -> _Entry:
        self._discover()
        entry = self._entries.get(self._aliases.get(name, name))
        if entry is not None:
            return entry
        known = [*self._entries, *self._aliases]
        near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known names: {', '.join(sorted(known))}"
        raise UnknownNameError(
            f"no {self.kind} is called {name!r}; {hint}", code="registry.unknown", name=name, near=near
        )

    def _import(self, name: str, entry: _Entry) -> Any:
        module, _, attribute = str(entry.target).partition(":")
        try:
            return operator.attrgetter(attribute)(importlib.import_module(module))
        except (ImportError, AttributeError) as error:
            if entry.package is None:
                raise
            raise RegistryError(
                f"the package {entry.package} announces the {self.kind} {name!r} as {entry.target}, which cannot be"
                f" imported ({error}): upgrade the package, or tell its authors",
                code="registry.target",
                name=name,
                package=entry.package,
            ) from error

    def _discover(self) -> None:
        """Add what other installed packages announce, once; a name of ours is never replaced."""
        if self._entry_points is None:
            return
        group, self._entry_points = self._entry_points, None
        for point in metadata.entry_points(group=group):
            package = point.dist.name if point.dist is not None else point.value.partition(":")[0]
            if point.name in self._entries or point.name in self._aliases:
                warnings.warn(
                    f"the package {package} announces a {self.kind} {point.name!r}, a name that is taken: it is left out",
                    RuntimeWarning,
                    stacklevel=4,
                )
                continue
            self._entries[point.name] = _Entry(point.value, frozenset({"plugin"}), (), package)
