"""What may lessen unintended bias? Weights, balance, swapped copies, further labels.

Each is an option of `steep fit` and an arm of `steep compare` (`arms.py`), to be measured, not
believed.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from steep.args import FitArgs
from steep.args.table import ColumnArgs, TableArgs
from steep.data.corpus import Corpus, Data, Task
from steep.data.duplicates import corpus_hashes
from steep.data.enlarged import with_rows
from steep.data.leaks import Held, held_out, texts_of
from steep.data.load import load, read_texts
from steep.data.readers import Source
from steep.data.step2_text import without_leaks
from steep.errors import SteepError
from steep.openings import IdentityArgs, MitigationArgs
from steep.options import as_mapping
from steep.seeds import numbers
from steep.shelf.bias.made_texts import swapped
from steep.shelf.bias.mentions import Identities, Terms, output_of, read_identities
from steep.stages.fit import check_fit, splits_of, used_rows
from steep.wording import counted, quoted, some

# Effective weights of: harmless background, harmful background, harmless and harmful in a group.
# kernel: 1/4, and 1/4 more for any group, for harmful, and for harmless with a group, as the public
# kernels compute it (their comment says otherwise). detoxify: 1/4, and 1/4 more for any group, and
# for harmful background or harmless in a group, as unitaryai/detoxify does.
SCHEMES = {"kernel": (0.25, 0.5, 0.75, 0.75), "detoxify": (0.25, 0.5, 0.75, 0.5)}
LENGTHS = 20 * 3 ** np.arange(8)  # characters where a class of length begins (Dixon 2018, table 2)


@dataclass(frozen=True)
class Mitigation:
    """What is done to the training rows, and by which groups.

    `label` is the column of labels, `columns` say how the pile of `how.balance` is read.
    """

    identities: Identities
    asked: IdentityArgs
    how: MitigationArgs
    label: str | None
    columns: ColumnArgs = ColumnArgs()

    def applied(self, data: Data, seed: int) -> Data:
        """`data` with other training rows; its notes say what changed. SteepError if it cannot."""
        at, own = output_of(data.labelled(), self.asked.positive, self.label), data.train
        notes: list[str] = []
        if own.has_pairs and (self.how.swap_terms or self.how.balance):
            raise SteepError("swap_terms, balance: they need single texts, not pairs.")
        if self.how.bias_weights != "none":
            own = self.weighted(own, at)
        if self.how.swap_terms:
            own = self._with_swaps(own, _held(data), notes)
        if self.how.balance is not None:
            own = self._balanced(own, data, seed, notes)
        data = replace(data, train=own, notes=(*data.notes, *notes))
        return self._with_outputs(data, at) if self.how.identity_outputs else data

    def harmful(self, corpus: Corpus, at: int) -> np.ndarray:
        """Which rows are, by their labels: bool (n,)."""
        labels = corpus.labels()
        if corpus.task is not None and corpus.task.kind == "single":
            return labels == at
        return (labels if labels.ndim == 1 else labels[:, at]) >= self.asked.label_threshold

    def weighted(self, train: Corpus, at: int) -> Corpus:
        """The rows with the weights of the scheme, times their own."""
        place = 2 * (self.identities.of(train) == 1).any(axis=1) + self.harmful(train, at)
        scheme = np.array(SCHEMES[self.how.bias_weights])
        return _with(train, weight=train.weights() * scheme[place])

    def _with_swaps(self, train: Corpus, held: Held, notes: list[str]) -> Corpus:
        made = swapped(train.whole(), self.terms_for("swap_terms"))
        if not made.texts:
            raise SteepError(
                "swap_terms: no training text mentions one group alone of [swap.NAME]."
            )
        cells: dict[str, Any] = dict(train.table.select(made.rows)[:]) | {"text": made.texts}
        cells["row"] = int(train.rows().max()) + 1 + np.arange(len(made.texts))
        copies = replace(
            train,
            table=datasets.Dataset.from_dict(cells, train.table.features),
            source="swap_terms, texts with swapped terms",
        )
        copies = without_leaks(copies, held, notes.append)
        notes.append(f"swap_terms: {counted(len(copies), 'text')} with swapped terms added")
        return replace(train, table=datasets.concatenate_datasets([train.table, copies.table]))

    def _balanced(self, own: Corpus, data: Data, seed: int, notes: list[str]) -> Corpus:
        """The rows `own`, then harmless texts of the pile."""
        task, terms = data.labelled(), self.terms_for("balance")
        if task.kind == "single" and len(task.labels) != 2:
            raise SteepError("balance: of several classes none is the harmless one. Name two.")
        pile = read_texts([Path(str(self.how.balance))], self.columns)
        pile = without_leaks(pile, _held(data), notes.append)
        new = ~np.isin(corpus_hashes(pile), corpus_hashes(data.train))
        pile = pile.take(np.flatnonzero(new))
        at, texts = output_of(task, self.asked.positive, self.label), data.train.whole()
        long, own_long = (np.digitize([*map(len, of)], LENGTHS) for of in (pile.whole(), texts))
        wanted = lacking(own_long, terms.mentions(texts), self.harmful(data.train, at))
        mentions = terms.mentions(pile.whole())
        chosen = matched(wanted, long, mentions, seed)
        counts = zip(terms.groups, mentions[chosen].sum(axis=0), wanted.sum(axis=0), strict=True)
        notes.append(
            f"balance: {counted(len(chosen), 'text')} of the pile added as harmless (by group, of "
            f"those wanted: {some([f'{name} {got:,} of {of:,}' for name, got, of in counts], 24)})"
        )
        labels: dict[str, np.ndarray] = {
            "single": np.full(len(chosen), 1 - at, np.int64),
            "multi": np.zeros((len(chosen), len(task.labels)), np.float32),
            "regression": np.zeros(len(chosen)),
        }
        return with_rows(own, pile.take(chosen), labels[task.kind]) if len(chosen) else own

    def _with_outputs(self, data: Data, at: int) -> Data:
        """With a label for each group beside the harmful one: a row has any of them."""
        task = data.labelled()
        if task.kind != "single" or len(task.labels) != 2:
            raise SteepError("identity_outputs: needs two classes, of which one is harmful.")
        files = {origin.fingerprint for origin in data.splits.origins.values()}
        if self.identities.flags is not None and len(files) > 1:
            raise SteepError(
                "identity_outputs: columns are read of the first file only. Name words with "
                "--terms, or leave --valid and --test out."
            )
        first = task.labels[at] if task.labels[at] not in ("0", "1") else str(self.label)
        if first in self.identities.names:
            raise SteepError(f"identity_outputs: {quoted(first)} is the harmful class and a group.")
        several = Task("multi", (first, *self.identities.names))
        relabelled = partial(self._relabelled, task=several, at=at)
        train, valid = relabelled(data.train), relabelled(data.valid)
        test = None if data.test is None else relabelled(data.test)
        return replace(data, task=several, train=train, valid=valid, test=test)

    def _relabelled(self, corpus: Corpus, task: Task, at: int) -> Corpus:
        targets = corpus.targets()
        harmful = targets == at if targets.ndim == 1 else targets[:, at]
        both = np.column_stack([harmful, self.identities.of(corpus) == 1]).astype(np.float32)
        soft = {"soft": both} if "soft" in corpus.table.column_names else {}
        return replace(_with(corpus, label=(both >= 0.5).astype(np.float32), **soft), task=task)

    def terms_for(self, option: str) -> Terms:
        """The words of the groups; SteepError where columns say what rows mention."""
        if self.identities.terms is None:
            raise SteepError(f"{option}: needs words, not columns. Name a file with --terms.")
        return self.identities.terms


def _held(data: Data) -> Held:
    """The held-out rows, of which training texts may be no copies."""
    return held_out(texts_of(c for part, c in data.parts.items() if part != "train" and len(c)))


def _with(corpus: Corpus, **columns: np.ndarray) -> Corpus:
    """The rows with these columns, float64 (n,) or lists of float32, in place of any such ones."""
    table = corpus.table
    table = table.remove_columns([name for name in columns if name in table.column_names])
    many, one = datasets.List(datasets.Value("float32")), datasets.Value("float64")
    kinds = {name: one if values.ndim == 1 else many for name, values in columns.items()}
    given = datasets.Dataset.from_dict(columns, datasets.Features(kinds))
    return replace(corpus, table=datasets.concatenate_datasets([table, given], axis=1))


def lacking(lengths: np.ndarray, mentions: np.ndarray, harmful: np.ndarray) -> np.ndarray:
    """How many harmless texts each group lacks in each class of length, int64 (lengths, groups).

    With them the share of harmful texts is that of all texts of this length. Dixon, Li, Sorensen,
    Thain & Vasserman 2018, "Measuring and mitigating unintended bias in text classification",
    section 4.
    """
    found = np.zeros((len(LENGTHS) + 1, mentions.shape[1]), np.int64)
    for length in np.unique(lengths):
        inside = lengths == length
        if (share := harmful[inside].mean()) > 0:
            bad = mentions[inside & harmful].sum(axis=0)
            found[length] = np.maximum(0, np.ceil(bad / share) - mentions[inside].sum(axis=0))
    return found


def matched(wanted: np.ndarray, lengths: np.ndarray, mentions: np.ndarray, seed: int) -> np.ndarray:
    """Which texts of a pile are taken, int64, ascending: at random, while its groups lack some."""
    left, taken = wanted.copy(), []
    for text in numbers(seed, "balance").permutation(np.flatnonzero(mentions.any(axis=1))):
        groups = mentions[text]
        if (left[lengths[text], groups] > 0).all():
            left[lengths[text], groups] -= 1
            taken.append(text)
    return np.sort(np.array(taken, np.int64))


def prepared(
    source: Source | Data, args: FitArgs, asked: IdentityArgs, how: MitigationArgs
) -> tuple[Data, FitArgs, dict[str, Any]]:
    """The data that a fit with these options trains on, its other options, and those to keep."""
    if how == MitigationArgs():
        raise SteepError(
            "A fit uses what rows mention for --bias-weights, --balance, --swap-terms or "
            "--identity-outputs: name one of these, or leave --identities and --terms out."
        )
    data = load(source, args.table, args.split, splits_of(args.start))
    check_fit(data, args)
    plan = plan_of(source, args.table, asked, how)
    own = as_mapping(asked) | as_mapping(how) | as_mapping(args.few)
    few = type(args.few)()  # the labelled rows are drawn already
    return plan.applied(used_rows(data, args), args.seed.seed), replace(args, few=few), own


def plan_of(
    source: Source | Data, table: TableArgs, asked: IdentityArgs, how: MitigationArgs
) -> Mitigation:
    """The mitigation that the options say; SteepError where it is not known what rows mention."""
    if isinstance(source, Data):
        raise SteepError(
            "What rows mention is read from the table: give it, not data that was read."
        )
    label, columns = table.target.label, table.columns
    identities = read_identities(source, asked, label, columns.unit)
    return Mitigation(identities, asked, how, label, columns)
