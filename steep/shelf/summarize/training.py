"""How do documents with summaries become a summariser? Labels, training, choice of a length."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from steep.console import track
from steep.data.corpus import Corpus, Data
from steep.data.tokens import check_known, notes_of_unknown
from steep.data.words import learn_punkt
from steep.errors import SteepError
from steep.metrics.weighted import Draws
from steep.models.checkpoints import checkpoint_notes
from steep.models.devices import Machine
from steep.models.families import tokenizer_note
from steep.shelf.summarize import RougeArgs, TrainArgs
from steep.shelf.summarize.choose import Rule, best_rule, rules_of
from steep.shelf.summarize.documents import documents_of, rows_in_words
from steep.shelf.summarize.labels import Labelled, labelled
from steep.shelf.summarize.measure import model_picks, score_picks, summary_of
from steep.shelf.summarize.model import Reader, Summariser, start_reader
from steep.shelf.summarize.rouge import HEADLINE, NAMES, WORDS, WordsOf, described, words_of
from steep.shelf.summarize.windows import Windows
from steep.train.saves import Saves
from steep.train.summaries import Marked, summary_learner, train_summaries

Note = Callable[[str], None]
SAMPLE = 200  # documents that say which language they are in


@dataclass(frozen=True)
class Prepared:
    """Labelled documents, and what their sentences and words were found with."""

    train: list[Labelled]
    valid: list[Labelled]
    test: list[Labelled]
    words: WordsOf
    punkt: PunktParameters
    note: Note  # what is told of them, and of what is made of them


def prepare(data: Data, rouge: RougeArgs, note: Note) -> Prepared:
    """The documents of all parts with their labels; SteepError where nothing can be learnt."""
    punkt = learn_punkt(data.train)
    kind: WordsOf = rouge.rouge_words if rouge.rouge_words != "auto" else _language(data.train)
    note(f"ROUGE counts {'stemmed English words' if kind == 'english' else 'words of any script'}")
    splitter, words = PunktSentenceTokenizer(punkt), WORDS[kind]
    found = {
        part: [
            labelled(document, words)
            for document in track(documents_of(corpus, splitter), len(corpus), f"labelling, {part}")
        ]
        for part, corpus in data.parts.items()
    }
    for part, documents in found.items():
        for line in _notes(part, documents):
            note(line)
    train = [one for one in found["train"] if len(one.words) > 1]
    if not any(one.labels.any() for one in train):
        raise SteepError(
            f"{data.train.source}: no sentence of the training documents shares a word with its "
            "summary. Are the columns those of documents and their summaries?"
        )
    return Prepared(train, found["valid"], found.get("test", []), kind, punkt, note)


def _language(corpus: Corpus) -> WordsOf:
    return words_of(corpus.table[:SAMPLE]["text"])


def _notes(part: str, documents: Sequence[Labelled]) -> list[str]:
    """How labels were found, and which documents are odd; SteepError where columns are swapped."""
    ways = Counter(one.how for one in documents)
    told = {"given": "given", "matched": "by matching sentences", "greedy": "by a greedy search"}
    how = ", ".join(f"{told[name]} in {count:,}" for name, count in ways.most_common())
    marked = float(np.mean([one.labels.sum() for one in documents]))
    size = float(np.mean([len(one.words) for one in documents]))
    found = [
        f"{part}: {len(documents):,} documents of {size:.1f} sentences, {marked:.1f} of them "
        f"labelled: {how}"
    ]
    single = [one.document.row for one in documents if len(one.words) < 2]
    if single:
        fate = "not trained on" if part == "train" else "their only sentence is their summary"
        told_rows = rows_in_words(single)
        found.append(f"{part}: {len(single):,} documents have one sentence ({told_rows}): {fate}")
    longer = [one.document.row for one in documents if _size(one.reference) > _size(one.words)]
    if part == "train" and 2 * len(longer) > len(documents):
        raise SteepError(
            f"{len(longer):,} of {len(documents):,} summaries are longer than their documents "
            f"({rows_in_words(longer)}). Are the columns --text and --summary swapped?"
        )
    if longer:
        count = f"{len(longer):,} summaries are longer than their documents"
        found.append(f"{part}: {count} ({rows_in_words(longer)})")
    return found


def _size(sentences: Sequence[Sequence[str]]) -> int:
    return sum(map(len, sentences))


@dataclass(frozen=True)
class Made:
    """A trained summariser, how it got there, and what it is measured on."""

    summariser: Summariser
    ready: Prepared
    machine: Machine
    batch_size: int
    history: list[dict[str, Any]]
    best_epoch: int

    def scores(self, cases: Sequence[Labelled]) -> list[np.ndarray]:
        """The score of each sentence of these documents."""
        texts = [case.sentences for case in cases]
        return self.summariser.reader.scores(texts, self.machine, self.batch_size)

    def results(self, draws: Draws) -> dict[str, Any]:
        """What results.json holds."""
        rule, layout = self.summariser.rule, self.summariser.reader.layout
        found: dict[str, Any] = {
            "rule": rule.described(),
            "rule_in_words": str(rule),
            "best_epoch": self.best_epoch,
            "rouge_settings": described(self.summariser.words),
            "sentence_vectors": "cls" if layout.first else "mean",
            "max_length": layout.max_length,
        }
        for part, cases in (("valid", self.ready.valid), ("test", self.ready.test)):
            if cases:
                found[part] = summary_of(cases, rule, self.scores(cases), draws)
        return found


def train(
    ready: Prepared,
    start: str,
    args: TrainArgs,
    seed: int,
    machine: Machine,
    saves: Saves | None = None,
) -> Made:
    """A summariser from the checkpoint `start`; its rule is chosen on validation documents."""
    reader = start_reader(start, args.reading, machine, seed)
    marked, held = (_marked(reader, documents) for documents in (ready.train, ready.valid))
    check_known(reader.tokenizer, [marked.windows.tokens])
    for line in (
        *checkpoint_notes(reader.scorer.model),
        *tokenizer_note(reader.tokenizer, reader.scorer.model),
        *notes_of_unknown("training", [marked.windows.tokens]),
        *marked.windows.notes(),
        *_beyond(marked),
    ):
        ready.note(line)
    learn = summary_learner(reader, marked, held, args, seed, machine)
    judge = _judge(ready.valid, held.windows)
    history, best = train_summaries(learn, judge, args, seed, saves)
    texts = [one.sentences for one in ready.valid]
    scores = reader.scores(texts, machine, 2 * args.batch.size)
    rules = rules_of(args.size)
    rule, worth = best_rule(rules, scores, [case.referee for case in ready.valid])
    if len(rules) > 1:
        ready.note(
            f"summaries of {rule}: the best of {len(rules)} on the validation documents (mean of "
            f"R-1, R-2 and R-Lsum {100 * worth:.2f})"
        )
    splitter = PunktSentenceTokenizer(ready.punkt)
    made = Summariser(reader, splitter, rule, ready.words)
    return Made(made, ready, machine, 2 * args.batch.size, history, best)


def _marked(reader: Reader, documents: Sequence[Labelled]) -> Marked:
    windows = reader.windows([one.sentences for one in documents])
    return Marked(windows, np.concatenate([one.labels for one in documents]))


def _beyond(marked: Marked) -> list[str]:
    """How many documents have labels that one window would not have read."""
    windows, starts = marked.windows, set(marked.windows.documents[:-1].tolist())
    ends = [b for a, b in windows.spans.tolist() if a in starts]
    count = sum(
        bool(marked.labels[end:last].any())
        for end, last in zip(ends, windows.documents[1:].tolist(), strict=True)
    )
    if not count:
        return []
    share = f"{count:,} of {len(ends):,} training documents have a labelled sentence"
    return [f"{share} beyond their first window, where a model of one window would not read it"]


def _judge(cases: Sequence[Labelled], windows: Windows) -> Callable[[np.ndarray], dict[str, float]]:
    """What the scores of all validation sentences are worth: ROUGE in points.

    Summaries are as long as the labels say, so that this depends on the ranking alone.
    """
    counts = [max(1, int(case.labels.sum())) for case in cases]

    def judge(scores: np.ndarray) -> dict[str, float]:
        own = np.split(scores, windows.documents[1:-1])
        picks = [
            model_picks([case], Rule("sentences", count, block=False), [one])[0]
            for case, count, one in zip(cases, counts, own, strict=True)
        ]
        found = dict(zip(NAMES, score_picks(cases, picks).mean(0).tolist(), strict=True))
        return {n: found[n] for n in HEADLINE} | {
            "rouge": float(np.mean([found[n] for n in HEADLINE]))
        }

    return judge
