"""How does any text go into Markdown without becoming markup?"""

import re

MARKUP = re.compile(r"[\\`*_\[\]<>#~$]|^[-+](?=[\s-]|$)")
NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")  # would begin a list
BACKSLASH = "&#92;"  # as an entity, because '\|' is read before '\\' in a table


def inline(text: str) -> str:
    """A text as one line of prose or a table cell: markup escaped, line breaks as spaces."""
    flat = " ".join(text.replace("&", "&amp;").split())
    escaped = MARKUP.sub(lambda found: _escape(found.group()), flat)
    return NUMBERED.sub(r"\1\\\2", escaped.replace("|", "\\|"))


def verbatim(line: str, language: str = "sh") -> str:
    """A line of code, fenced by more backticks than it holds."""
    runs = re.findall(r"`+", line)
    fence = "`" * max([3, *(len(run) + 1 for run in runs)])
    return f"{fence}{language}\n{line}\n{fence}"


def _escape(sign: str) -> str:
    return BACKSLASH if sign == "\\" else "\\" + sign
