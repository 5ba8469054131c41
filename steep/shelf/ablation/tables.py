"""What is in the file of an ablation? A paper's table: its arms, their places, their figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steep.errors import SteepError
from steep.options import nearest
from steep.shapes import Choice, Each, Names, Number, Shape, checked
from steep.study.arms import ADAPTED, BASE
from steep.toml_files import toml_content
from steep.wording import quoted

FOLDER = Path(__file__).parents[2] / "ablations"
OWN_FILE = ".toml"  # the ending of an ablation of the user's own
READS = {  # the option that gives an arm its texts, by its step 2, or by its name
    "curated": "curated",
    "nearest texts": "pile",
    "random texts": "pile",
    "multitask": "tables",
    "in-domain": "in_domain",
    "cross-domain": "cross_domain",
}
STEP2 = ("random weights", "curated", "nearest texts", "random texts", "multitask")
ARM: dict[str, Shape] = {
    "place": str,
    "paper?": [str],
    "step2?": Choice(STEP2),
    "neighbours?": Number(1, 10_000, whole=True),
    "fit?": dict,
    "adapt?": dict,
}
SHAPE: dict[str, Shape] = {
    "ablation": {
        "paper": str,
        "figures": str,
        "errors?": bool,
        "columns": Names(),
        "notes?": [str],
    },
    "fit?": dict,
    "adapt?": dict,
    "arms": Each(ARM),
}
AGAIN = "See the files in steep/ablations for how one is written."


@dataclass(frozen=True)
class Row:
    """An arm in its table: where it stands, and the paper's figure in each column, as published.

    `tables` are the options in which it differs from the study, as those of an arm's own file;
    `step2` is one of STEP2, or None.
    """

    place: str
    paper: tuple[str, ...]
    tables: dict[str, dict[str, Any]]
    step2: str | None = None
    neighbours: int = 0

    @property
    def is_own(self) -> bool:
        """Whether the ablation makes this arm; others are known to every study by their names."""
        return bool(self.tables) or self.step2 is not None


@dataclass(frozen=True)
class Ablation:
    """A paper's table: `options` are those of the study, `rows` its arms by name.

    `columns` are the paper's data sets, `figures` says what its figures are, `errors` whether the
    lower ones are the better.
    """

    source: str
    paper: str
    figures: str
    errors: bool
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    options: dict[str, Any]
    rows: dict[str, Row]

    def published_gain(self, name: str, column: int) -> float | None:
        """How much better an arm is than base in a column of the paper; None where it has not both.

        In points, positive where the arm is the better one.
        """
        base, own = (self.rows[arm].paper[column] for arm in (BASE, name))
        if name == BASE or not base or not own:
            return None
        worse, better = (own, base) if self.errors else (base, own)
        return float(better) - float(worse)

    def rows_with(self, values: Mapping[str, Any]) -> dict[str, Row]:
        """The rows that need no texts, or those that the options `values` give them."""
        return {
            name: row
            for name, row in self.rows.items()
            if (option := needed(name, row)) is None or values.get(option)
        }


def needed(name: str, row: Row) -> str | None:
    """The option that gives the arm of a row its texts; None where it needs none."""
    return READS.get(row.step2 or name)


def ablation_names() -> list[str]:
    """The ablations that come with Steep."""
    return sorted(path.stem for path in FOLDER.glob(f"*{OWN_FILE}"))


def read_ablation(name: str) -> Ablation:
    """An ablation by its name, or by the path of a TOML file; SteepError where it is none."""
    path = Path(name) if name.endswith(OWN_FILE) else FOLDER / f"{name}{OWN_FILE}"
    if path.parent == FOLDER and not path.is_file():
        hint = nearest(name, ablation_names()) or " Or name a TOML file of your own."
        raise SteepError(
            f"there is no ablation {quoted(name)}; there are {', '.join(ablation_names())}.{hint}"
        )
    content = toml_content(path)
    _check_keys(content, SHAPE, f"{path}")
    checked(content, SHAPE, path, AGAIN)
    about, columns = content["ablation"], tuple(content["ablation"]["columns"])
    rows = {arm: _row(arm, row, len(columns), path) for arm, row in content["arms"].items()}
    if not {BASE, ADAPTED} <= rows.keys() or rows[BASE].is_own or rows[ADAPTED].is_own:
        raise SteepError(
            f"{path}: an ablation needs the arms base and adapted, without options of their own: "
            f"theirs are the tables [fit] and [adapt] of the file. {AGAIN}"
        )
    return Ablation(
        source=str(path),
        paper=about["paper"],
        figures=about["figures"],
        errors=about.get("errors", False),
        columns=columns,
        notes=tuple(about.get("notes", ())),
        options=content.get("fit", {}) | {"adapt": content.get("adapt", {})},
        rows=rows,
    )


def _row(name: str, row: dict[str, Any], columns: int, path: Path) -> Row:
    source = f"{path}: [arms.{name}]"
    _check_keys(row, ARM, source)
    figures = tuple(row.get("paper") or [""] * columns)
    if len(figures) != columns:
        raise SteepError(f"{source}: paper must have {columns} figures, one for each column.")
    if "," in name:
        raise SteepError(f"{source}: the name of an arm must have no comma.")
    tables: dict[str, dict[str, Any]] = {t: row[t] for t in ("fit", "adapt") if t in row}
    draws = row.get("step2") in ("nearest texts", "random texts")
    if draws != ("neighbours" in row):
        raise SteepError(f"{source}: neighbours belongs to 'nearest texts' and 'random texts'.")
    return Row(row["place"], figures, tables, row.get("step2"), row.get("neighbours", 0))


def _check_keys(values: dict[str, Any], shape: Mapping[str, Any], source: str) -> None:
    """Raises SteepError at a key that the file of an ablation does not have."""
    known = [key.rstrip("?") for key in shape]
    for key in values:
        if key not in known:
            raise SteepError(f"{source}: there is no key {quoted(key)}.{nearest(key, known)}")
