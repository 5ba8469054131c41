"""Which kind of task do the labels make? Classes, several labels a row, or a quantity."""

from collections.abc import Sequence

import pyarrow.compute as pc

from steep.args.table import LabelArgs
from steep.data.numerals import read_numbers
from steep.data.raw import TEXTS, Column, explain_doubt, is_missing
from steep.errors import SteepError
from steep.wording import quoted

MOST_GRADES = 20
FEW_ROWS = 10  # for each of many whole numbers, which then are a quantity


def infer_kind(columns: Sequence[Column], args: LabelArgs) -> tuple[str, tuple[str, ...]]:
    """multi: several columns, lists or a delimiter; regression: a quantity; else single.

    With notes, where that is a guess: whole numbers are classes if they run from 0 on without gaps,
    or have many rows each. Raises SteepError at numbers that may be others.
    """
    cells = columns[0].cells
    if len(columns) > 1 or cells.type == TEXTS or args.label_delimiter:
        return "multi", ()
    distinct = [text for text in pc.unique(cells).to_pylist() if not is_missing(text)]
    if len(distinct) <= MOST_GRADES:
        return "single", ()
    numbers = read_numbers(distinct)
    if numbers.doubt:
        told = explain_doubt(columns[0].where, numbers.doubt)
        raise SteepError(f"{told} If they are names of classes, say --task single.")
    values = {value for value in numbers.values if value is not None}
    if None in numbers.values or len(values) <= MOST_GRADES:
        return "single", ()
    if not all(value.is_integer() for value in values):
        return "regression", ()
    rows = len(cells) - cells.null_count
    what = f"label {quoted(columns[0].name)}: {len(values):,} different whole numbers are read as"
    if len(values) <= rows / FEW_ROWS or values == set(range(len(values))):
        return "single", (f"{what} classes; if they are a quantity, say --task regression",)
    if len(values) > rows / 2:
        return "single", ()  # which is refused
    return "regression", (f"{what} a quantity; if they are classes, say --task single",)
