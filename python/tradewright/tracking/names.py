"""Names of metrics as the store takes them: each its own, the same each time, and said once where they differ."""

from __future__ import annotations

from tradewright.tracking import limits

__all__ = ["MetricNames"]


class MetricNames:
    """The names of one run.

    Examples
    --------
    >>> names = MetricNames()
    >>> names["loss"], names["f1@10%"], names["f1@10$"]
    ('loss', 'f1_10_', 'f1_10__2')
    >>> names.changed
    {'f1@10%': 'f1_10_', 'f1@10$': 'f1_10__2'}
    """

    def __init__(self) -> None:
        #: Names that were changed, and what they are in the store.
        self.changed: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, name: str) -> str:
        known = self._names.get(name)
        if known is not None:
            return known
        cleaned, number = limits.clean_key(name), 1
        # Two curves must not become one because their names were made acceptable.
        while cleaned in self._taken:
            number += 1
            cleaned = f"{limits.clean_key(name)[: limits.KEY_LENGTH - 8]}_{number}"
        self._taken.add(cleaned)
        self._names[name] = cleaned
        if cleaned != name:
            self.changed[name] = cleaned
        return cleaned
