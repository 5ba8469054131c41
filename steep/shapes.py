"""Has JSON the shape that was declared for it? Checked once, when it is read.

A shape is plain Python. A dictionary: an object that has these keys, and perhaps others; a key that
ends in '?' may be absent. `[shape]`: a list of any length; `(one, two)`: a list of these two.
`str`, `bool`, `dict`, `list`: any text, true or false, any object, any list. `Each`, `Maybe`,
`Keyed`, `Number`, `Choice`, `Names` are declared here, the shapes of files in `steep.run_shapes`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steep.errors import SteepError
from steep.wording import brief, quoted

Shape = Any
Wrong = tuple[str, str, Any]  # key, what was expected, what is there
MOST = 1e100  # of any number: its square is finite, and can be drawn
MOST_WHOLE = 10**15  # of any count: exact as a float, too
BEYOND_WHOLE = 2**63  # what numpy has no number for, if it is written without a point


@dataclass(frozen=True)
class Number:
    """A number within bounds; `finite` where it may not be NaN or infinite."""

    least: float = -MOST
    most: float = MOST
    whole: bool = False
    finite: bool = True

    def fits(self, value: Any) -> bool:
        """Whether `value` is such a number."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        if value != value or abs(value) == float("inf"):
            return not self.finite
        exact = self.whole or isinstance(value, float) or abs(value) < BEYOND_WHOLE
        return exact and self.least <= value <= self.most

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        least, most = f"{self.least:g}", f"{self.most:g}"
        if self.most < (MOST_WHOLE if self.whole else MOST):
            return f"{kind} from {least} to {most}"
        return f"{kind}, {least} or more" if self.least > -MOST else kind


@dataclass(frozen=True)
class Choice:
    """One of these texts."""

    names: tuple[str, ...]

    def fits(self, value: Any) -> bool:
        """Whether `value` is one of them."""
        return isinstance(value, str) and value in self.names

    def __str__(self) -> str:
        return f"one of {', '.join(self.names)}"


@dataclass(frozen=True)
class Names:
    """A list of different texts, one at least."""

    def fits(self, value: Any) -> bool:
        """Whether `value` is such a list."""
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return texts and 0 < len(value) == len(set(value))

    def __str__(self) -> str:
        return "a list of different texts"


@dataclass(frozen=True)
class Each:
    """An object with any keys, all of whose values have one shape."""

    shape: Shape


@dataclass(frozen=True)
class Keyed:
    """An object that has these keys, and perhaps others; their values have one shape."""

    keys: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True)
class Maybe:
    """A shape, or null."""

    shape: Shape


def checked(content: Any, shape: Shape, path: Path, remedy: str) -> Any:
    """`content` itself, if it has this shape.

    Else a SteepError that names the file `path` and the key, says what was expected and what is
    there, and `remedy`.
    """
    for key, expected, found in _wrong(content, shape, ""):
        where = f"the key {quoted(key)}" if key else "the content"
        if found is MISSING:
            raise SteepError(f"{path}: {where} is missing. {remedy}")
        raise SteepError(f"{path}: {where} must be {expected}, not {shown(found)}. {remedy}")
    return content


MISSING = object()
KINDS = {str: "a text", bool: "true or false", dict: "an object", list: "a list"}


def _wrong(value: Any, shape: Shape, key: str) -> Iterator[Wrong]:
    """What in `value`, which stands at `key`, is not of the shape."""
    match shape:
        case Maybe():
            if value is not None:
                yield from _wrong(value, shape.shape, key)
        case Each() | Keyed() | dict():
            yield from _in_object(value, shape, key)
        case list() | tuple():
            yield from _in_list(value, shape, key)
        case Number() | Choice() | Names():
            if not shape.fits(value):
                yield key, str(shape), value
        case _:
            if not isinstance(value, shape):
                yield key, KINDS[shape], value


def _in_object(value: Any, shape: Shape, at: str) -> Iterator[Wrong]:
    if not isinstance(value, dict):
        yield at, KINDS[dict], value
        return
    for key, inner, needed in _keys(value, shape):
        if key in value:
            yield from _wrong(value[key], inner, _below(at, key))
        elif needed:
            yield _below(at, key), "", MISSING


def _keys(value: dict[str, Any], shape: Shape) -> Iterator[tuple[str, Shape, bool]]:
    """The keys to look at, with their shapes, and whether they have to be there."""
    if isinstance(shape, dict):
        for key, inner in shape.items():
            yield key.removesuffix("?"), inner, not key.endswith("?")
        return
    for key in shape.keys if isinstance(shape, Keyed) else value:
        yield key, shape.shape, True


def _in_list(value: Any, shape: Shape, at: str) -> Iterator[Wrong]:
    """In a list of any length, or in one with a shape for each place."""
    long = isinstance(shape, tuple)
    if not isinstance(value, list) or (long and len(value) != len(shape)):
        yield at, f"a list of {len(shape)}" if long else KINDS[list], value
        return
    for place, item in enumerate(value):
        yield from _wrong(item, shape[place if long else 0], f"{at}[{place}]")


def _below(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def shown(value: Any) -> str:
    """A value as a message shows it: what holds others only by what it is."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    if isinstance(value, str):
        return quoted(value)
    return brief(json.dumps(value))
