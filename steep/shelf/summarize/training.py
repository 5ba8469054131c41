"""How do documents with summaries become a summariser? Labels, training, choice of a length."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

from steep.console import track
from steep.data.corpus import Data
from steep.data.tokens import check_known, notes_of_unknown
from steep.data.words import learn_punkt
from steep.errors import SteepError
from steep.metrics.weighted import Draws
from steep.models.checkpoints import checkpoint_notes
from steep.models.devices import Machine
from steep.models.families import tokenizer_note
from steep.shelf.summarize import TrainArgs
from steep.shelf.summarize.choose import Labelled, Rule, best_rule, labelled, rules_of
from steep.shelf.summarize.documents import documents_of, rows_in_words
from steep.shelf.summarize.head import begin_head
from steep.shelf.summarize.measure import model_picks, score_picks, summary_of
from steep.shelf.summarize.model import Reader, Summariser, start_reader
from steep.shelf.summarize.rouge import HEADLINE, NAMES, WORDS, WordsOf, described, words_of
from steep.train.saves import Saves
from steep.train.summaries import Marked, summary_learner, train_summaries

Note = Callable[[str], None]
SAMPLE = 200  # documents that say which language they are in
WAYS = {"given": "given", "matched": "by matching sentences", "greedy": "by a greedy search"}


@dataclass(frozen=True)
class Prepared:
    """Labelled documents, and what their sentences and words were found with."""

    train: list[Labelled]
    valid: list[Labelled]
    test: list[Labelled]
    words: WordsOf
    punkt: PunktParameters
    note: Note  # what is told of them, and of what is made of them


def prepare(data: Data, note: Note) -> Prepared:
    """The documents of all parts with their labels; SteepError where nothing can be learnt."""
    punkt, kind = learn_punkt(data.train), words_of(data.train.table[:SAMPLE]["text"])
    note(f"ROUGE counts {'stemmed English words' if kind == 'english' else 'words of any script'}")
    splitter, found = PunktSentenceTokenizer(punkt), dict[str, list[Labelled]]()
    for part, corpus in data.parts.items():
        documents = track(documents_of(corpus, splitter), len(corpus), f"labelling, {part}")
        found[part] = [labelled(document, WORDS[kind]) for document in documents]
    for part, cases in found.items():
        for line in _notes(part, cases):
            note(line)
    train = [one for one in found["train"] if len(one.words) > 1]
    if not train:
        raise SteepError(
            f"{data.train.source}: every training document has one sentence, so there is nothing "
            "to choose. Is --text the column of documents?"
        )
    if not any(one.chosen for one in train):
        given = all(one.how == "given" for one in train)
        what = "has the label 1" if given else "shares a word with its summary"
        raise SteepError(
            f"{data.train.source}: no sentence of the training documents {what}. Are the columns "
            "those of documents and their summaries?"
        )
    return Prepared(train, found["valid"], found.get("test", []), kind, punkt, note)


def _notes(part: str, cases: Sequence[Labelled]) -> list[str]:
    """How labels were found, and which documents are odd; SteepError where columns are swapped."""
    ways = Counter(one.how for one in cases).most_common()
    marked, size = (
        float(np.mean([len(of) for of in own]))
        for own in zip(*((one.chosen, one.words) for one in cases), strict=True)
    )
    found = [
        f"{part}: {len(cases):,} documents of {size:.1f} sentences, {marked:.1f} of them labelled: "
        + ", ".join(f"{WAYS[name]} in {count:,}" for name, count in ways)
    ]
    if single := [one.document.row for one in cases if len(one.words) < 2]:
        fate = "not trained on" if part == "train" else "their only sentence is their summary"
        told = f"{len(single):,} documents have one sentence ({rows_in_words(single)})"
        found.append(f"{part}: {told}: {fate}")
    longer = [
        one.document.row for one in cases if sum(map(len, one.reference)) > sum(map(len, one.words))
    ]
    if part == "train" and 2 * len(longer) > len(cases):
        raise SteepError(
            f"{len(longer):,} of {len(cases):,} summaries are longer than their documents "
            f"({rows_in_words(longer)}). Are the columns --text and --summary swapped?"
        )
    if longer:
        count = f"{len(longer):,} summaries are longer than their documents"
        found.append(f"{part}: {count} ({rows_in_words(longer)})")
    return found


@dataclass(frozen=True)
class Made:
    """A trained summariser, and how it got there."""

    summariser: Summariser
    batch_size: int
    history: list[dict[str, Any]]
    best_epoch: int

    def scores(self, cases: Sequence[Labelled]) -> list[np.ndarray]:
        """The score of each sentence of these documents."""
        texts = [case.document.sentences for case in cases]
        return self.summariser.reader.scores(texts, self.batch_size)

    def results(self, ready: Prepared, draws: Draws) -> dict[str, Any]:
        """What results.json holds."""
        rule, layout = self.summariser.rule, self.summariser.reader.layout
        parts = {"valid": ready.valid} | ({"test": ready.test} if ready.test else {})
        return {
            "rule": rule.described(),
            "rule_in_words": str(rule),
            "best_epoch": self.best_epoch,
            "rouge_settings": described(self.summariser.words),
            "sentence_vectors": "cls" if layout.first else "mean",
            "max_length": layout.max_length,
        } | {part: summary_of(own, rule, self.scores(own), draws) for part, own in parts.items()}


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
    marked, held = (_marked(reader, cases) for cases in (ready.train, ready.valid))
    check_known(reader.tokenizer, [marked.windows.tokens])
    for line in (
        *checkpoint_notes(reader.scorer.model),
        *tokenizer_note(reader.tokenizer, reader.scorer.model),
        *notes_of_unknown("training", [marked.windows.tokens]),
        *marked.windows.notes(),
        *_beyond(marked),
    ):
        ready.note(line)
    size = 2 * args.batch.size
    begin_head(reader, (marked.windows, marked.labels), (held.windows, held.labels), size)
    learn = summary_learner(reader, marked, held, args, seed, machine)
    judge = partial(_judged, ready.valid, held.windows.documents)
    texts = [case.document.sentences for case in ready.valid]
    begun = judge(np.concatenate(reader.scores(texts, size)))
    history, best = train_summaries(learn, judge, begun["rouge"], args, seed, saves)
    if not best:
        ready.note(
            f"no epoch ranks the validation sentences better than the head alone does (ROUGE "
            f"{begun['rouge']:.2f}): the encoder stays as it was"
        )
    rules = rules_of(args.size)
    rule, worth = best_rule(rules, reader.scores(texts, size), ready.valid)
    if len(rules) > 1:
        ready.note(
            f"summaries of {rule}: of {len(rules)} lengths that were tried, one of the best on the "
            f"validation documents (mean of R-1, R-2 and R-Lsum {100 * worth:.2f})"
        )
    splitter = PunktSentenceTokenizer(ready.punkt)
    return Made(Summariser(reader, splitter, rule, ready.words), size, history, best)


def _marked(reader: Reader, cases: Sequence[Labelled]) -> Marked:
    windows = reader.windows([case.document.sentences for case in cases])
    return Marked(windows, np.concatenate([case.labels for case in cases]))


def _beyond(marked: Marked) -> list[str]:
    """How many documents have labels that one window would not have read."""
    windows = marked.windows
    first = np.isin(windows.spans[:, 0], windows.documents[:-1])
    ends = zip(windows.spans[first, 1].tolist(), windows.documents[1:].tolist(), strict=True)
    count = sum(bool(marked.labels[end:last].any()) for end, last in ends)
    share = f"{count:,} of {first.sum():,} training documents have a labelled sentence"
    told = f"{share} beyond their first window, where a model of one window would not read it"
    return [told] if count else []


def _judged(
    cases: Sequence[Labelled], documents: np.ndarray, scores: np.ndarray
) -> dict[str, float]:
    """What the scores of all sentences of these documents are worth: ROUGE in points.

    Summaries are as long as the labels say, so that this depends on the ranking alone.
    """
    picks = [
        model_picks([case], Rule("sentences", max(1, len(case.chosen))), [own])[0]
        for case, own in zip(cases, np.split(scores, documents[1:-1]), strict=True)
    ]
    found = dict(zip(NAMES, score_picks(cases, picks).mean(0).tolist(), strict=True))
    own = {name: found[name] for name in HEADLINE}
    return own | {"rouge": float(np.mean([*own.values()]))}
