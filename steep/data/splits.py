"""Which rows are for training, validation and test? Drawn once, by seed; kept in splits.json."""

import hashlib
import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args.table import SplitArgs
from steep.data.corpus import Corpus
from steep.data.duplicates import row_hashes
from steep.errors import SteepError
from steep.seeds import numbers
from steep.wording import counted, some

PARTS = ("train", "valid", "test")
FREQUENT = 5
BINS = 10
DRAWS = 100  # of which the split by groups is taken that comes nearest to the shares
LEFT_OUT = -1  # the place of a row that is in no part
TOGETHER = 10_000  # row numbers written at once: a list of all would be large
REMEDY = "Fix it, name the splits.json of another run, or split anew without it."


@dataclass(frozen=True)
class Origin:
    """The file that a part comes from, and the fingerprint of its rows and texts."""

    file: str
    fingerprint: str

    @classmethod
    def of(cls, corpus: Corpus) -> "Origin":
        """The origin of a whole corpus; does not depend on the file's place or format."""
        key = hashlib.blake2b(digest_size=12)
        key.update(corpus.rows().astype("<i8").tobytes())
        key.update(row_hashes(corpus).tobytes())
        return cls(corpus.source, key.hexdigest())


@dataclass(frozen=True)
class Splits:
    """Row numbers of every part, int64 (rows of the part,), ascending; None: there is no test.

    `origins` says for every part which file its row numbers belong to. `left_out` counts the rows
    in no part, whose text another group has in a part that is held out.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray | None
    origins: dict[str, Origin]
    seed: int
    notes: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """Row numbers by part; test only where there is one."""
        parts = {"train": self.train, "valid": self.valid}
        return parts | ({"test": self.test} if self.test is not None else {})

    def save(self, path: Path) -> None:
        """Write splits.json; `load_splits` gives the same back, without the notes."""
        with runs.aside(path) as partial, partial.open("w", encoding="utf-8") as stream:
            stream.write(f'{{"seed": {self.seed}, "left_out": {self.left_out}')
            for part, rows in self.parts.items():
                head = json.dumps(vars(self.origins[part]), ensure_ascii=False)
                stream.write(f',\n "{part}": {head[:-1]}, "rows": [')
                for first in range(0, len(rows), TOGETHER):
                    together = ", ".join(map(str, rows[first : first + TOGETHER].tolist()))
                    stream.write(f"{', ' if first else ''}{together}")
                stream.write("]}")
            stream.write("}\n")

    def check(self, part: str, corpus: Corpus) -> None:
        """Raises SteepError if `part` was not drawn from this corpus."""
        origin = self.origins[part]
        if Origin.of(corpus).fingerprint != origin.fingerprint:
            raise SteepError(
                f"{corpus.source}: its rows or texts are not those of '{origin.file}', the file "
                f"that the {part} rows of the splits were drawn from. Give that file"
                f"{'' if part == 'train' else f' (--{part})'}, or split anew."
            )
        if len(unknown := np.setdiff1d(self.parts[part], corpus.rows())):
            raise SteepError(
                f"{corpus.source}: has no row {unknown[0]} with all that is needed (the first row "
                f"is 0), but the splits name {len(unknown):,} such {part} rows. Take them out of "
                "the splits.json."
            )


def load_splits(path: Path) -> Splits:
    """The splits that `Splits.save` wrote, with whatever rows were moved by hand since.

    Raises SteepError if the file is missing or broken, or a row is in two parts.
    """
    from steep.run_shapes import SPLITS

    content = runs.read_shaped(path, SPLITS, REMEDY)
    rows = {part: _rows(content[part], part, path) for part in PARTS if part in content}
    origins = {part: Origin(content[part]["file"], content[part]["fingerprint"]) for part in rows}
    for one, other in combinations(rows, 2):
        both = np.intersect1d(rows[one], rows[other])
        if origins[one].fingerprint == origins[other].fingerprint and len(both):
            raise SteepError(
                f"{path}: row {both[0]} is both a {one} and a {other} row, and so are "
                f"{len(both) - 1:,} others. Leave each in one part."
            )
    if not len(rows["train"]):
        raise SteepError(f"{path}: the key 'train.rows' is empty. {REMEDY}")
    seed, left_out = content["seed"], content.get("left_out", 0)
    return Splits(rows["train"], rows["valid"], rows.get("test"), origins, seed, (), left_out)


def split_rows(corpus: Corpus, how: SplitArgs) -> Splits:
    """The corpus split by the shares of `how`, and by its seed.

    Stratified by class, by combination of labels (the rare ones together), or by tenths of the
    target. Rows of the same text, apart from whitespace and case, stay in one part. So do rows of
    one group, where there are groups. Parts that have a file of their own get no share. Raises
    SteepError for impossible shares.
    """
    shares = {
        "test": 0.0 if how.files.test else how.shares.test_share,
        "valid": 0.0 if how.files.valid else how.shares.valid_share,
    }
    seed = how.shares.split_seed
    _check_shares(shares, len(corpus), corpus.source)
    draw = _by_text if corpus.group_codes() is None else _by_group
    places = draw(corpus, shares, numbers(seed, "split"))
    rows = corpus.rows()
    parts = {part: rows[places == place] for place, part in enumerate(PARTS)}
    _check_filled(parts, shares, corpus)
    test = parts["test"] if shares["test"] else None
    origins = dict.fromkeys(PARTS if test is not None else PARTS[:2], Origin.of(corpus))
    notes, left_out = _note_missing(corpus, places, shares), int((places == LEFT_OUT).sum())
    return Splits(parts["train"], parts["valid"], test, origins, seed, notes, left_out)


def _by_text(corpus: Corpus, shares: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Place in PARTS of every row (n,), equal texts together."""
    _, first, group = np.unique(row_hashes(corpus), return_index=True, return_inverse=True)
    strata = _strata(corpus)[first]
    counts = {part: round(share * len(strata)) for part, share in shares.items()}
    return _draw(strata, counts, rng)[group]


def _by_group(corpus: Corpus, shares: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Place in PARTS of every row (n,), groups together; `LEFT_OUT` is in no part.

    Groups differ in size and hold several classes, so that of many draws the one is taken that
    suits the shares best. A text that groups in two parts have stays in the test, or else in
    validation: to keep such groups together could tie all of them into one.
    """
    from steep.data.groups import nearest_split, without_repeats  # only where it is needed

    codes = corpus.group_codes()
    assert codes is not None
    whole = int(codes.max()) + 1
    counts = {part: max(1, round(share * whole)) for part, share in shares.items() if share}
    alike = np.zeros(whole, np.int64)
    draws = [_draw(alike, counts, rng)[codes] for _ in range(DRAWS)]
    wanted = np.array([1 - sum(shares.values()), shares["valid"], shares["test"]])
    places = draws[nearest_split(draws, _strata(corpus), wanted)]
    return without_repeats(places, row_hashes(corpus), range(len(PARTS)))


def _draw(strata: np.ndarray, counts: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    """Place in PARTS of every group (groups,): systematic sampling along the shuffled strata.

    The first group of every stratum is for training, so that no class is only held out. Among the
    others, every stratum gives its share to a part, up to one group.
    """
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    is_first = np.diff(strata[order], prepend=strata.min() - 1) != 0
    free = order[~is_first]
    places = np.zeros(len(strata), np.int64)
    for part, wanted in counts.items():
        count = min(wanted, len(free))
        steps = np.arange(count) + rng.random()  # of equal size, from a random start
        chosen = (steps * len(free) / max(count, 1)).astype(np.int64)
        places[free[chosen]] = PARTS.index(part)
        free = np.delete(free, chosen)
    return places


def _strata(corpus: Corpus) -> np.ndarray:
    """What every part should have alike: a number for each row (n,)."""
    if corpus.task is None:
        return np.zeros(len(corpus), np.int64)
    labels = corpus.labels()
    if corpus.task.kind == "single":
        return labels
    if corpus.task.kind == "regression":
        if labels.ndim == 2:  # several targets: by their mean rank
            labels = labels.argsort(axis=0).argsort(axis=0).mean(axis=1)
        edges = np.quantile(labels, np.linspace(0, 1, BINS + 1)[1:-1])
        return np.searchsorted(edges, labels)
    _, combination, counts = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    return np.where(counts[combination] >= FREQUENT, combination, len(counts))


def _check_shares(shares: dict[str, float], rows: int, source: str) -> None:
    for part, share in shares.items():
        if not 0 <= share < 1:
            raise SteepError(f"{part}_share must be from 0 to below 1, not {share:g}.")
    if sum(shares.values()) >= 1:
        raise SteepError(
            f"valid_share {shares['valid']:g} and test_share {shares['test']:g} leave no rows for "
            "training. Their sum must be below 1."
        )
    if rows < 1 + sum(share > 0 for share in shares.values()):
        raise SteepError(f"{source}: {rows} rows with a text are too few to split.")


def _check_filled(parts: dict[str, np.ndarray], shares: dict[str, float], corpus: Corpus) -> None:
    what = "texts" if corpus.group_codes() is None else "groups"
    for part, rows in parts.items():
        if not len(rows) and shares.get(part, 1.0) > 0:
            raise SteepError(
                f"{corpus.source}: no rows are left for {part}; there are too few different "
                f"{what}. Give more rows, a larger share, or a file of its own."
            )


def _note_missing(corpus: Corpus, places: np.ndarray, shares: dict[str, float]) -> tuple[str, ...]:
    """Which classes some part has no row of."""
    if corpus.task is None or corpus.task.kind == "regression":
        return ()
    labels = corpus.labels()
    notes = []
    for place, part in enumerate(PARTS):
        if shares.get(part, 1.0) == 0:
            continue
        found = labels[places == place]
        has = found.any(axis=0) if found.ndim == 2 else np.bincount(found, minlength=1) > 0
        lacking = [n for i, n in enumerate(corpus.task.labels) if i >= len(has) or not has[i]]
        if lacking:
            notes.append(f"{part}: no row of {counted(len(lacking), 'class')}: {some(lacking, 10)}")
    return tuple(notes)


def _rows(part: dict[str, Any], name: str, path: Path) -> np.ndarray:
    """The row numbers of a part, ascending, each once; SteepError at one that is none."""
    from steep.run_shapes import COUNT
    from steep.shapes import MOST_WHOLE, shown

    listed = part["rows"]
    if listed and (set(map(type, listed)) != {int} or min(listed) < 0 or max(listed) > MOST_WHOLE):
        row = next(row for row in listed if not COUNT.fits(row))
        raise SteepError(
            f"{path}: the key '{name}.rows' must hold row numbers, whole and from 0 on, not "
            f"{shown(row)}. {REMEDY}"
        )
    return np.unique(np.array(listed, np.int64))
