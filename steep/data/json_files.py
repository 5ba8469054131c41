"""How is a JSON file read? One object a line, one array of objects, or what pandas writes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from steep.data import files
from steep.data.raw import TEXT, TEXTS, Raw, chunks, record_batch
from steep.errors import SteepError
from steep.wording import quoted, some

LONGEST_DOCUMENT = 1 << 28  # characters of a file that is not one object a line
TWICE = object()  # the value of a key that an object has twice
Objects = Callable[[], Iterator[tuple[str, Any]]]  # where each row of a file is, and what


def open_json(path: Path) -> Raw:
    """A file of JSON. Numbers are texts as they are written; a column is any key of any row."""
    files.sample(path)
    where = files.shown_path(path)
    first: list[tuple[int, str]] = []
    with suppress(SteepError):  # at a line too long to be an object, as an array on one line is
        first = list(islice(_filled(path), 2))
    one_a_line = len(first) > 1 and _is_object(first[0][1])
    rows, note = ((lambda: _lines(path, where)), "") if one_a_line else _whole(path, where)
    columns = _columns(rows())

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = {name: columns[name] for name in names}
        for records in chunks(rows()):
            yield record_batch(wanted, [_cells(place, record, wanted) for place, record in records])

    notes = (f"{Path(where).name}: {note}",) if note else ()
    return Raw(where, columns, batches, (path,), notes)


def _lines(path: Path, where: str) -> Iterator[tuple[str, Any]]:
    """The place, and the object, of every line that is not blank."""
    for row, (number, line) in enumerate(_filled(path), 1):
        place = f"{where}, row {row:,} (line {number:,})"
        try:
            value = DECODER.decode(line.strip())
        except (ValueError, RecursionError) as error:
            raise SteepError(f"{place}: {_told(error)}.") from None
        if not isinstance(value, dict):
            raise SteepError(f"{place}: expected a JSON object, not {quoted(line.strip())}.")
        yield place, value


def _filled(path: Path) -> Iterator[tuple[int, str]]:
    return ((at, line) for at, line in enumerate(files.lines(path), 1) if line.strip())


def _whole(path: Path, where: str) -> tuple[Objects, str]:
    """The rows of a file that is one JSON value, or several; and a note on how they lie in it."""
    text = files.whole_text(path, LONGEST_DOCUMENT)
    if text is None:
        raise SteepError(
            f"{where}: too long for one JSON document. Write one object a line, for instance: "
            f"jq -c '.[]' {path.name} > {path.stem}.jsonl"
        )
    values = _values(text, where)
    note = ""
    if len(values) == 1 and (files.suffix(path) == ".json" or _is_table(values[0])):
        values, note = _unfolded(values[0], where)
    if not values or values == [{}]:
        raise SteepError(f"{where}: holds no rows.")
    for row, value in enumerate(values, 1):
        if not isinstance(value, dict):
            raise SteepError(f"{where}, row {row:,}: expected a JSON object, not {_sort(value)}.")
    return lambda: ((f"{where}, row {row:,}", v) for row, v in enumerate(values, 1)), note


def _is_table(value: Any) -> bool:
    """Whether one JSON value in a file of lines is all rows: no cell of a row is a plain value."""
    if isinstance(value, dict):
        cells = list(value.values())
        return len(cells) > 1 and all(isinstance(cell, dict | list) for cell in cells)
    return isinstance(value, list)


def _values(text: str, where: str) -> list[Any]:
    """The JSON values in a text, with blanks between them."""
    values, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            value, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise SteepError(f"{where}: {_told(error)}.") from None
        values.append(value)
    return values


def _unfolded(value: Any, where: str) -> tuple[list[Any], str]:
    """The rows that one value holds, and a note on how.

    An array of rows, alone or below a key; pandas' to_json() of any `orient` that names columns.
    """
    if isinstance(value, list):
        return value, ""
    if not isinstance(value, dict) or not value:
        return [value], ""
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _of_split(value["columns"], value["data"], where), "orient='split' of pandas"
    arrays = [name for name, items in value.items() if _is_list_of(items, dict)]
    if len(arrays) == 1:
        return value[arrays[0]], f"the rows are the array {quoted(arrays[0])}"
    if len(arrays) > 1:
        raise SteepError(
            f"{where}: holds several arrays of rows: {some(arrays)}. Write one a file."
        )
    if all(isinstance(cells, dict) for cells in value.values()):
        return _of_pandas(value)
    lengths = {len(cells) if isinstance(cells, list) else -1 for cells in value.values()}
    if len(lengths) == 1 and lengths != {-1}:
        rows = [dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True)]
        return rows, "an array for each column"
    return [value], ""


def _of_split(columns: list[Any], data: list[Any], where: str) -> list[Any]:
    for row, cells in enumerate(data, 1):
        if not isinstance(cells, list) or len(cells) != len(columns):
            raise SteepError(f"{where}, row {row:,}: expected an array of {len(columns):,} cells.")
    return [dict(zip(map(str, columns), cells, strict=True)) for cells in data]


def _of_pandas(value: dict[str, dict[str, Any]]) -> tuple[list[Any], str]:
    """Rows of to_json(): by column, as is its default, or by index if only the inner keys are not.

    An index is mostly of numbers; where this does not tell, there are more rows than columns.
    """
    inner = list(dict.fromkeys(name for cells in value.values() for name in cells))
    outside, inside = _are_numbers(value), _are_numbers(inner)
    by_index = outside and not inside if outside != inside else len(value) > len(inner)
    if by_index:
        return list(value.values()), "an object for each row, as orient='index' of pandas"
    rows = [{name: cells.get(at) for name, cells in value.items()} for at in inner]
    return rows, "an object for each column, as to_json() of pandas writes it"


def _are_numbers(names: Any) -> bool:
    return all(name.isdecimal() for name in names)


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, kind) for v in value)


def _is_object(line: str) -> bool:
    with suppress(ValueError, RecursionError):
        return isinstance(DECODER.decode(line.strip()), dict)
    return False


def _told(error: ValueError | RecursionError) -> str:
    deep = isinstance(error, RecursionError)
    return "arrays or objects within each other too deeply" if deep else f"not valid JSON: {error}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        found |= {name: TWICE for name in found if names.count(name) > 1}
    return found


DECODER = json.JSONDecoder(
    parse_int=str,
    parse_float=str,
    parse_constant=lambda word: None if word == "NaN" else word,  # Python writes none so
    object_pairs_hook=_once,
)


def _columns(rows: Iterator[tuple[str, Any]]) -> dict[str, pa.DataType]:
    """`TEXTS` for a key that holds a list in some row, else `TEXT`."""
    columns: dict[str, pa.DataType] = {}
    for _, record in rows:
        for name, value in record.items():
            if type(value) is list:
                columns[name] = TEXTS
            elif name not in columns:
                columns[name] = TEXT
    return columns


def _cells(place: str, record: Mapping[str, Any], columns: Mapping[str, pa.DataType]) -> list[Any]:
    return [
        _cell_of(record.get(n), kind, f"{place}, column {quoted(n)}") for n, kind in columns.items()
    ]


def _cell_of(value: Any, kind: pa.DataType, where: str) -> Any:
    if value is None:
        return None
    if value is TWICE:
        raise SteepError(f"{where}: the object has this key twice. Rename one.")
    if kind == TEXT:
        return _text(value, where)
    if not isinstance(value, list):
        raise SteepError(f"{where}: some rows hold a list and others do not.")
    return [None if item is None else _text(item, where) for item in value]


def _text(value: Any, where: str) -> str:
    """A JSON value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise SteepError(f"{where}: expected a text or a number, not {_sort(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SteepError(
            f"{where}: half of a surrogate pair (\\ud800 to \\udfff) is no text."
        ) from None
    if "\0" in value:
        raise SteepError(
            f"{where}: holds a NUL character (\\u0000), which no text does. Remove it."
        )
    return value


def _sort(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list) else "a value"
