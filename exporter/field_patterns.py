"""Which rows of the tables a field of a record belongs to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

# The key of a varying part in the tree below: no part of a field has a dot in it.
_VARYING = "."


class FieldPatterns:
    """Field patterns as a tree of their dotted parts; a literal part wins over a varying one."""

    def __init__(self) -> None:
        self._root: dict[str, object] = {}

    def add(self, pattern: str, what: object) -> None:
        node = self._root
        names = []
        for token in pattern.split("."):
            varying = token.startswith("<")
            if varying:
                names.append(token.strip("<>"))
            node = node.setdefault(_VARYING if varying else token, {})  # type: ignore[assignment]
        leaves: list[tuple[tuple[str, ...], object]] = node.setdefault("", [])  # type: ignore[assignment]
        leaves.append((tuple(names), what))

    def find(self, field: str) -> list[tuple[dict[str, str], object]]:
        """Everything that was added under a pattern of this field, with its varying parts."""
        return self._find(self._root, field.split("."), ())

    def _find(
        self, node: dict[str, object], tokens: Sequence[str], varying: tuple[str, ...]
    ) -> list[tuple[dict[str, str], object]]:
        if not tokens:
            leaves: list[tuple[tuple[str, ...], object]] = node.get("", [])  # type: ignore[assignment]
            return [(dict(zip(names, varying, strict=True)), what) for names, what in leaves]
        literal, rest = tokens[0], tokens[1:]
        for key, more in ((literal, varying), (_VARYING, (*varying, literal))):
            below = node.get(key) if key else None
            if isinstance(below, dict) and (found := self._find(below, rest, more)):
                return found
        return []
