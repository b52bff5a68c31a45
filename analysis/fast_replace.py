"""A faster `dataclasses.replace` for frozen dataclasses that only hold their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["replace"]

_T = TypeVar("_T")

if TYPE_CHECKING:  # type checkers see the original, with its checks of field names and types
    from dataclasses import replace
else:

    def replace(original: _T, /, **changes: Any) -> _T:
        """Copy a frozen dataclass with some fields changed, without running its `__init__`.

        Use it only for classes without `__post_init__`. A frozen class sets each field by a call,
        and a state has dozens of fields, of which a look changes five. Cached properties belong to
        the old fields, so they are not copied.
        """
        fields, attributes = original.__dataclass_fields__, vars(original)
        if not changes.keys() <= fields.keys():
            raise TypeError(f"no such field: {', '.join(changes.keys() - fields.keys())}")
        new = object.__new__(type(original))
        values = (
            attributes
            if len(attributes) == len(fields)
            else {name: attributes[name] for name in fields}
        )
        vars(new).update(values, **changes)
        return new
