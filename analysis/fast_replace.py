"""A frozen value with other fields, at a fraction of the time that `dataclasses.replace` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["replace"]

_T = TypeVar("_T")

if TYPE_CHECKING:  # the same to who calls it: names and types of fields are checked
    from dataclasses import replace
else:

    def replace(one: _T, /, **changes: Any) -> _T:
        """See `dataclasses.replace`; of classes whose fields are only kept, never worked on.

        A frozen class sets each field by a call, and a state has dozens, of which a look changes
        five. What was worked out from the old fields (`cached_property`) is not taken along.
        """
        fields, kept = one.__dataclass_fields__, vars(one)
        if not changes.keys() <= fields.keys():
            raise TypeError(f"no such field: {', '.join(changes.keys() - fields.keys())}")
        new = object.__new__(type(one))
        known = kept if len(kept) == len(fields) else {name: kept[name] for name in fields}
        vars(new).update(known, **changes)
        return new
