"""What is a page made of? Plain blocks that say what is shown; the templates say how it looks.

Every block has a `kind`, the name of the template that draws it (`templates/KIND.html.j2`, and
`templates/KIND.md.j2` for the Markdown twin). Coordinates are percentages of the drawing's width
and height, so that a chart fits any screen while its letters keep their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from steep.run_tables import Table

Style = Literal["accent", "plain", "faint", "dashed"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    kind: ClassVar[str] = "facts"
    items: list[tuple[str, str]]


@dataclass(frozen=True)
class Notes:
    """Sentences that the run left for its reader."""

    kind: ClassVar[str] = "notes"
    title: str
    items: list[str]


@dataclass(frozen=True)
class Command:
    """Code: a line for the shell, or several of another language."""

    kind: ClassVar[str] = "command"
    line: str
    language: str = "sh"


@dataclass(frozen=True)
class Axis:
    """Where the ticks are (per cent) and what they say."""

    name: str
    low: float
    high: float
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Curve:
    """A line through points; `label` stands beside the last one."""

    name: str
    style: Style
    points: list[Point]
    label: str = ""

    @property
    def segments(self) -> list[tuple[Point, Point]]:
        """The pieces between neighbouring points."""
        return list(pairwise(self.points))


@dataclass(frozen=True)
class Panel:
    """One drawing of curves; `alt` says the same in words, for screen readers."""

    title: str
    curves: list[Curve]
    x: Axis
    y: Axis
    alt: str


@dataclass(frozen=True)
class Panels:
    """Drawings side by side."""

    kind: ClassVar[str] = "panels"
    panels: list[Panel]

    @property
    def keys(self) -> dict[str, Style]:
        """The style of each name, in order; curves may share one, labelled curves need none."""
        curves = [curve for panel in self.panels for curve in panel.curves]
        return {curve.name: curve.style for curve in curves if not curve.label}


@dataclass(frozen=True)
class DotRow:
    """A name with its `value`, and what is drawn of it: dots, a mean, an interval, a bar."""

    name: str
    style: Style
    y: float
    value: str
    below: str = ""  # a second line of the name
    dots: Sequence[tuple[float, str]] = ()  # position and what to say about it
    mean: float | None = None
    interval: tuple[float, float] | None = None
    bar: tuple[float, float] | None = None


@dataclass(frozen=True)
class Dots:
    """Rows, one below the other, on one axis; `marks` are lines across all rows, with their names.

    `keys` are what is drawn (dot, bar, band) and what it stands for; `height` is that of a row.
    """

    kind: ClassVar[str] = "dots"
    title: str
    rows: list[DotRow]
    x: Axis
    alt: str
    keys: Sequence[tuple[str, str]] = ()
    marks: Sequence[tuple[float, str]] = ()
    height: float = 3.0  # rem
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """A number of a confusion matrix; `share` of its row, from 0 to 1."""

    count: str
    share: float
    right: bool


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: a row for each true class, a column for each predicted one."""

    title: str
    labels: list[str]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Matrices:
    """Confusion matrices side by side."""

    kind: ClassVar[str] = "matrices"
    matrices: list[Matrix]
    note: str


@dataclass(frozen=True)
class Map:
    """A confusion matrix of many classes as a map, with letters for its rows only.

    `cells` are row, column, strength (per cent), whether it is right, and what to say about it.
    """

    kind: ClassVar[str] = "map"
    title: str
    labels: list[str]
    cells: list[tuple[int, int, int, bool, str]]
    note: str
    alt: str


@dataclass(frozen=True)
class Example:
    """One row of the data; `text` is None where texts are left out."""

    name: str
    text: str | None
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Examples:
    """Rows worth reading."""

    kind: ClassVar[str] = "examples"
    title: str
    examples: list[Example]
    note: str = ""


@dataclass(frozen=True)
class Word:
    """A piece of a text; `share` from -1 (against) to 1 (for), and its `value` as text."""

    text: str
    share: float
    value: str


@dataclass(frozen=True)
class Marked:
    """A row whose words are highlighted; no `texts` where they are left out.

    `alt` names the strongest words, for those who do not see the colours.
    """

    kind: ClassVar[str] = "marked"
    title: str
    facts: list[tuple[str, str]]
    texts: list[list[Word]]
    alt: str


Block = Table | Facts | Notes | Command | Panels | Dots | Matrices | Map | Examples | Marked


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two, and blocks."""

    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True)
class Page:
    """All of a report: the answer first, then what it rests on.

    `title`, `origin` and `footer` say which folder it is of; the pages of stages leave them to
    `steep.reports.page`.
    """

    question: str
    answer: str
    sentence: str
    paragraph: str = ""
    warnings: Sequence[str] = ()
    sections: Sequence[Section] = ()
    title: str = ""
    origin: str = ""
    footer: str = ""
    muted: bool = False  # an answer that is none to be proud of


def present(*sections: Section | None) -> list[Section]:
    """The sections that there is something to say in."""
    return [section for section in sections if section is not None]
