"""How are numbers, durations, lists and quoted texts written? The same way everywhere."""

import math
import re
from collections.abc import Callable, Sequence

NOTHING = "–"
ACRONYMS = {"f1": "F1", "auc": "AUC", "mcc": "MCC", "mae": "MAE", "rmse": "RMSE", "r2": "R²"}
ACRONYMS |= {
    "rouge": "ROUGE",
    "rouge1": "R-1",
    "rouge2": "R-2",
    "rougeL": "R-L",
    "rougeLsum": "R-Lsum",
}
MARKUP = re.compile(r"[\\`*_\[\]<>#~$]|^[-+](?=[\s-]|$)")
NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")  # would begin a list
SLASH = "&#92;"  # a backslash, as an entity, because '\|' is read before '\\' in a table
LONGEST_QUOTE = 80
CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
ESCAPES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """A number with a fixed count of decimals and a true minus; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def span(low: float | None, high: float | None, sign: bool = False) -> str:
    """An interval in words."""
    if low is None or high is None:
        return NOTHING
    return f"{number(low, sign=sign)} to {number(high, sign=sign)}"


def chance(p: float | None) -> str:
    """A p-value; the smallest ones are only bounded."""
    return "< 0.001" if p is not None and p < 0.001 else number(p)


def count(value: float | None) -> str:
    """A whole number with commas between thousands."""
    return NOTHING if value is None or not math.isfinite(value) else f"{round(value):,}"


def counted(value: int, noun: str) -> str:
    """'1 row', '2 rows', '2 classes'."""
    ending = "" if value == 1 else "es" if noun.endswith("s") else "s"
    return f"{value:,} {noun}{ending}"


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds is None:
        return NOTHING
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plain(name: str) -> str:
    """A key of a file as words: 'macro_f1' is 'macro F1'."""
    return " ".join(ACRONYMS.get(word, word) for word in name.split("_"))


def capital(sentence: str) -> str:
    """The sentence with a capital first letter, the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def listed(names: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names, each of them `brief`, and how many there are beyond: 'a, b and 3 more'."""
    beyond = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(brief(name) for name in names[:most]) + beyond


def split_at_commas(text: str, is_known: Callable[[str], bool], commas: int) -> list[str]:
    """The names in 'a,b'; those that are known may hold up to so many `commas` themselves.

    Each name is the shortest known one that leaves known ones; where there are none, what stands
    between two commas.
    """
    parts = text.split(",")
    ends = {len(parts): len(parts)}  # where names begin and end, if only known ones follow
    for start in reversed(range(len(parts))):
        for end in range(start + 1, min(start + commas + 1, len(parts)) + 1):
            if end in ends and is_known(",".join(parts[start:end]).strip()):
                ends[start] = end
                break
    if 0 not in ends:
        return [part.strip() for part in parts]
    names, start = [], 0
    while start < len(parts):
        names.append(",".join(parts[start : ends[start]]).strip())
        start = ends[start]
    return names


def visible(text: str) -> str:
    """The text with escapes such as '\\x1b' for what a terminal or a reader would not show.

    These are control characters, line breaks, marks of writing direction and lone surrogates.
    """
    return CONTROL.sub(lambda found: _escaped(found.group()), text)


def brief(text: str, most: int = LONGEST_QUOTE) -> str:
    """A text of the data as messages show it: `visible`, and cut after `most` characters."""
    return visible(text if len(text) <= most else f"{text[: most - 1]}…")


def quoted(text: str) -> str:
    """A text of the data in single quotes, `brief`: every message quotes with this."""
    return f"'{brief(text)}'"


def inline(text: str) -> str:
    """A text in Markdown, as one line of prose or a table cell: markup escaped, no line breaks."""
    flat = " ".join(text.replace("&", "&amp;").split())
    escaped = MARKUP.sub(lambda found: SLASH if found[0] == "\\" else f"\\{found[0]}", flat)
    return NUMBERED.sub(r"\1\\\2", escaped.replace("|", "\\|"))


def verbatim(lines: str, language: str = "sh") -> str:
    """Code in Markdown, fenced by more backticks than it holds."""
    ticks = re.findall(r"`+", lines)
    fence = "`" * max([3, *(len(found) + 1 for found in ticks)])
    return f"{fence}{language}\n{lines}\n{fence}"


def _escaped(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code < 0xDD00:  # how Python keeps a byte of a file name that is no UTF-8
        code -= 0xDC00
    return ESCAPES.get(sign, f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def twice(names: Sequence[str]) -> str | None:
    """The first name that is there more than once; None where each is there once."""
    return None if len(set(names)) == len(names) else next(n for n in names if names.count(n) > 1)
