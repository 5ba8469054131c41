"""Which text does step 2 read? The training rows and further corpora, less what is held out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args.pretraining import TextArgs
from steep.args.table import SplitArgs, TableArgs
from steep.data.corpus import Corpus, Data, join_corpora
from steep.data.leaks import EQUAL, Held, find_leaks, held_out, rows_of, texts_of
from steep.data.load import load, read_texts
from steep.data.readers import Source, is_plain
from steep.errors import SteepError
from steep.options import change
from steep.seeds import numbers
from steep.wording import quoted, some

SHOWN = 3  # rows that a note names; it goes into the model card, where no text belongs
RAREST, OFTENEST = 0.001, 1000  # times that a file can be read in a pass


@dataclass(frozen=True)
class Step2Text:
    """The text to train on, and for each file its name, documents used and left out.

    The documents of file `i` are those from `ends[i - 1]` to `ends[i]`, int64 (files,); it is read
    `times[i]` times in a pass.
    """

    corpus: Corpus
    sources: list[dict[str, Any]]
    ends: np.ndarray
    times: np.ndarray


def read_corpora(
    source: Data | Source | Sequence[Source],
    unlabelled: Sequence[Source],
    table: TableArgs,
    split: SplitArgs,
    text: TextArgs,
) -> tuple[Data, list[Corpus]]:
    """The data of the task, and the further corpora, which are read whole.

    Of several sources the first is that of the task. Plain text, which has no labels, is not split.
    """
    others = list(unlabelled)
    if not isinstance(source, Data):
        first, *more = [source] if isinstance(source, Source) else source
        whole = change(split, {"valid_share": 0.0, "test_share": 0.0})
        others = [*more, *others]
        source = load(first, table, whole if is_plain(first) else split)
    further = [read_texts([one], table.columns) for one in others]
    parse_file_weights(text.file_weight, _names(source, further))
    return source, further


def gather(data: Data, further: Sequence[Corpus], text: TextArgs, run: runs.Run) -> Step2Text:
    """The text to train on; held-out rows, and texts that give them away, are left out."""
    kept = [data.valid, data.test] if data.test is not None else [data.valid]
    own = [data.train, *(kept if text.transductive else [])]
    held = sum(map(len, kept))
    run.note(_say_held(held, data, text))
    for corpus in further:
        for note in corpus.notes:
            run.note(note)
    used = list(further)
    if further and held and not text.transductive:
        index = held_out(texts_of(kept))
        used = [without_leaks(corpus, index, run.note) for corpus in further]
    whole = join_corpora([*own, *used])
    if not len(whole):
        raise SteepError(f"{data.train.source}: no text is left to train on; all is held out.")
    names = _names(data, further)
    there = [len(data.train) + held, *map(len, further)]
    counts = [sum(map(len, own)), *map(len, used)]
    sources = [
        {"name": name, "documents": count, "left_out": total - count}
        for name, count, total in zip(names, counts, there, strict=True)
    ]
    ends = np.cumsum([sum(map(_texts, own)), *map(_texts, used)])
    return Step2Text(whole, sources, ends, parse_file_weights(text.file_weight, names))


def _names(data: Data, further: Sequence[Corpus]) -> list[str]:
    return [data.train.source, *(corpus.source for corpus in further)]


def _texts(corpus: Corpus) -> int:
    """Documents of a corpus: a second text is one of its own."""
    return len(corpus) * (1 + corpus.has_pairs)


def without_leaks(corpus: Corpus, held: Held, note: Callable[[str], None]) -> Corpus:
    """A further corpus without the texts that give a held-out row away; their counts are noted.

    The whole document goes, not the passage: its other sentences are of the same author on the
    same matter, and a document less costs little. Raises SteepError if nothing is left.
    """
    leaks = find_leaks(rows_of(corpus), held)
    equal = leaks.kind == EQUAL
    told = "hold a held-out row, nearly or whole, or are a part of one, and are left out"
    for found, what in (
        (equal, "equal a held-out row and are left out"),
        (leaks.found & ~equal, told),
    ):
        if found.any():
            rows = [f"{row + 1:,}" for row in corpus.rows()[found].tolist()]
            note(f"{corpus.source}: {len(rows):,} texts {what} (rows {some(rows, SHOWN)})")
    kept = ~leaks.found
    if not kept.any():
        raise SteepError(
            f"{corpus.source}: nothing is left of it: every text is, holds, or is part of a "
            "held-out row. Leave this file out, or cut its documents smaller with --unit line."
        )
    return corpus if kept.all() else corpus.take(np.flatnonzero(kept))


def _say_held(count: int, data: Data, text: TextArgs) -> str:
    if not count:
        return "no rows are held out: all text is trained on"
    if text.transductive:
        return "transductive: the text of validation and test rows is trained on, too"
    whole = " (--valid-share 0 --test-share 0 uses a file without labels whole)"
    hint = whole if data.task is None else ""
    return f"{count:,} validation and test rows are left out of step 2{hint}"


def parse_file_weights(weights: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Times a pass that each of the files `names` is read, float64 (files,), by FILE=TIMES.

    FILE is a name or the end of one, and may hold '=' itself. Raises SteepError for what is no
    such file or number, or where nothing is left to read.
    """
    times = np.ones(len(names))
    for weight in weights:
        file, _, value = weight.rpartition("=")
        meant = [i for i, name in enumerate(names) if file in (name, Path(name).name)]
        if not meant:
            known = ", ".join(Path(name).name for name in names)
            raise SteepError(
                f"file_weight '{weight}': there is no such file. Write FILE=TIMES, with one of "
                f"{known}."
            )
        times[meant] = _number(weight, value)
    if not times.any():
        raise SteepError("file_weight: every file is read 0 times. Leave one above 0.")
    return times


def _number(weight: str, value: str) -> float:
    try:
        times = float(value)
    except ValueError:
        times = -1.0
    if times != 0 and not RAREST <= times <= OFTENEST:
        raise SteepError(
            f"file_weight {quoted(weight)}: {quoted(value)} is no number of times, 0 or "
            f"{RAREST:g} to {OFTENEST:,}. Write FILE=2 to read a file twice in a pass, FILE=0.5 to "
            "read half of it."
        )
    return times


def repeated(spans: np.ndarray, source: np.ndarray, times: np.ndarray, seed: int) -> np.ndarray:
    """`spans` (n, ...) as often as their file is read; in their order.

    `source` int64 (n,) is the file of each. Of a fraction, windows are drawn by the seed (stream
    "weight"), the same in every pass. Raises SteepError where none is left.
    """
    whole, part = np.divmod(times, 1)
    counts = whole[source].astype(np.int64)
    for file in np.flatnonzero(part):
        own = np.flatnonzero(source == file)
        more = numbers(seed, "weight", int(file)).permutation(own)[: round(part[file] * len(own))]
        counts[more] += 1
    if not counts.any():
        raise SteepError(
            "file_weight: nothing is left to read in a pass. Give a file a larger weight."
        )
    return np.repeat(spans, counts, axis=0)
