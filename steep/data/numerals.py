"""How are numbers written in a column? With a decimal point or comma, thousands, a unit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from steep.wording import quoted

GAP = r"[.\s'’\u00a0\u202f]"  # between thousands, where the comma is decimal
COMMA = re.compile(rf"[+-]?(\d{{1,3}}({GAP}\d{{3}})+|\d*)(,\d+)?")
THOUSANDS = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?")
EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # 1,234
UNITS = re.compile(r"([+-]?)([$€£¥₹]?)\s*([^$€£¥₹%]*?)\s*([$€£¥₹%]?)")


@dataclass(frozen=True)
class Numbers:
    """Texts as numbers, None for what is none; `note` says how they are written, if not plainly.

    `doubt` is a text that may be one of two numbers; then there are no `values` but None.
    """

    values: list[float | None]
    note: str = ""
    doubt: str = ""


def number_or_none(text: str) -> float | None:
    """The number that a text is, with a decimal point, if it is one."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def read_numbers(texts: Sequence[str]) -> Numbers:
    """The texts of a column as numbers, all of them written in one way.

    Plainly, if some text has no other form; else with a decimal comma, or commas between thousands,
    and with a currency or % that all have.
    """
    values = [number_or_none(text) for text in texts]
    if None not in values or not texts:
        return Numbers(values)
    bare, unit = _without_unit(texts)
    plain = [number_or_none(text) for text in bare]
    if None not in plain:
        return (
            Numbers(plain, _note(texts, plain, "without their sign")) if unit else Numbers(values)
        )
    commas = [text for text in bare if "," in text]
    if commas and all(map(EITHER.fullmatch, commas)) and _all(THOUSANDS, bare):
        return Numbers([None] * len(texts), doubt=commas[0])
    for form, old, new, what in (
        (COMMA, GAP, "", "with a decimal comma"),
        (THOUSANDS, ",", "", "with commas between thousands"),
    ):
        if _all(form, bare):
            found = [number_or_none(re.sub(old, new, text).replace(",", ".")) for text in bare]
            if None not in found:
                return Numbers(found, _note(texts, found, what))
    return Numbers(values)


def _all(form: re.Pattern[str], texts: Sequence[str]) -> bool:
    return all(map(form.fullmatch, texts))


def _without_unit(texts: Sequence[str]) -> tuple[list[str], str]:
    """The texts without the currency or % that they all have, and this sign."""
    parts = [UNITS.fullmatch(text.strip()) for text in texts]
    signs = {(part[2] + part[4]) if part else "" for part in parts}
    if len(signs) > 1 or "" in signs:
        return [text.strip() for text in texts], ""
    return [part[1] + part[3] for part in parts if part], signs.pop()


def _note(texts: Sequence[str], values: Sequence[float | None], what: str) -> str:
    text, value = max(zip(texts, values, strict=True), key=lambda pair: len(pair[0]))
    return f"numbers are read {what}: {quoted(text)} as {value:.15g}"
