"""`NamedTuple`, as in `typing`, for the start of a command, where `typing` would be a tenth of it.

`typing.NamedTuple` compiles every annotation to see whether it could be a type, and before that,
`typing` itself has to be loaded. A type checker has looked at ours, and sees the original here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from _collections import _tuplegetter  # what `collections.namedtuple` makes its fields of

    class _Kind(type):
        """Makes fields of the annotations in a class's body.

        They are there for the asking, as strings, if its module imports them from `__future__`.
        """

        def __new__(meta, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            body["__slots__"] = ()
            body["_fields"] = fields
            body["_field_defaults"] = {one: body[one] for one in fields if one in body}
            for position, field in enumerate(fields):
                body[field] = _tuplegetter(position, None)
            return super().__new__(meta, name, bases, body)

    class NamedTuple(tuple, metaclass=_Kind):
        """A tuple whose places have names, and where wished, defaults."""

        def __new__(cls, *values, **named):
            """Return a tuple of these values.

            Raises:
                TypeError: A field has no value, or there is a value without a field.
            """
            fields = cls._fields
            if not values and named.keys() == cls.__annotations__.keys():  # what JSON held
                values = map(named.get, fields)
            elif named or len(values) != len(fields):
                given = {**dict(zip(fields, values, strict=False)), **named}
                complete = {**cls._field_defaults, **given}
                if len(given) < len(values) + len(named) or complete.keys() != set(fields):
                    got = f"{len(values)} values and {', '.join(named) or 'no names'}"
                    raise TypeError(f"{cls.__name__} takes {', '.join(fields)}; it was given {got}")
                values = [complete[field] for field in fields]
            return tuple.__new__(cls, values)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes):
            return type(self)(**{**self._asdict(), **changes})

        def __repr__(self):
            parts = (f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({', '.join(parts)})"

        def __getnewargs__(self):
            return tuple(self)
