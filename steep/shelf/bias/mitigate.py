"""What may lessen unintended bias in a fit? Weights, balance, swapped copies, further labels.

Each is an option of `steep fit` and an arm of `steep compare`, to be measured, not believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import datasets
import numpy as np

from steep.args import FitArgs
from steep.args.table import ColumnArgs
from steep.data.corpus import Corpus, Data, Task
from steep.data.duplicates import corpus_hashes
from steep.data.enlarged import with_rows
from steep.data.leaks import held_out, texts_of
from steep.data.load import load, read_texts
from steep.data.readers import Source
from steep.data.step2_text import without_leaks
from steep.errors import SteepError
from steep.openings import IdentityArgs, MitigationArgs
from steep.options import as_mapping
from steep.seeds import numbers
from steep.shelf.bias.identities import Identities, read_identities
from steep.shelf.bias.scored import output_of
from steep.shelf.bias.swaps import swapped
from steep.shelf.bias.terms import Terms
from steep.stages.fit import check_fit, splits_of, used_rows
from steep.wording import counted, some

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
        at = output_of(data.labelled(), self.asked.positive, self.label)
        notes: list[str] = []
        own = data.train
        if own.has_pairs and (self.how.swap_terms or self.how.balance):
            raise SteepError("swap_terms, balance: they need single texts, not pairs.")
        if self.how.bias_weights != "none":
            own = self._weighted(own, at)
        if self.how.swap_terms:
            own = self._with_swaps(own, notes)
        if self.how.balance is not None:
            added, labels = self._balance(data, at, seed, notes)
            own = with_rows(own, added, labels) if len(added) else own
        data = replace(data, train=own, notes=(*data.notes, *notes))
        return self._with_outputs(data, at) if self.how.identity_outputs else data

    def harmful(self, corpus: Corpus, at: int) -> np.ndarray:
        """Which rows are, by their labels: bool (n,)."""
        labels = corpus.labels()
        if corpus.task is not None and corpus.task.kind == "single":
            return labels == at
        return (labels if labels.ndim == 1 else labels[:, at]) >= self.asked.label_threshold

    def _weighted(self, train: Corpus, at: int) -> Corpus:
        mentions = (self.identities.of(train) == 1).any(axis=1)
        place = 2 * mentions + self.harmful(train, at)
        weights = train.weights() * np.array(SCHEMES[self.how.bias_weights])[place]
        table = train.table
        table = table.remove_columns([n for n in table.column_names if n == "weight"])
        own = datasets.Dataset.from_dict({"weight": weights})
        return replace(train, table=datasets.concatenate_datasets([table, own], axis=1))

    def _with_swaps(self, train: Corpus, notes: list[str]) -> Corpus:
        terms = self.terms_for("swap_terms")
        made = swapped(train.whole(), terms)
        if not made.texts:
            raise SteepError(
                "swap_terms: no training text mentions one group of [swap.NAME] alone."
            )
        cells: dict[str, Any] = dict(train.table.select(made.rows)[:]) | {"text": made.texts}
        first = int(train.rows().max()) + 1
        cells["row"] = list(range(first, first + len(made.texts)))
        copies = datasets.Dataset.from_dict(cells, train.table.features)
        notes.append(f"swap_terms: {counted(len(copies), 'text')} with swapped terms added")
        return replace(train, table=datasets.concatenate_datasets([train.table, copies]))

    def _balance(
        self, data: Data, at: int, seed: int, notes: list[str]
    ) -> tuple[Corpus, np.ndarray]:
        """Harmless texts of the pile to add, with their labels."""
        task, terms = data.labelled(), self.terms_for("balance")
        if task.kind == "single" and len(task.labels) != 2:
            raise SteepError("balance: of several classes none is the harmless one. Name two.")
        assert self.how.balance is not None
        pile = read_texts([self.how.balance], self.columns)
        held = held_out(texts_of(c for part, c in data.parts.items() if part != "train" and len(c)))
        pile = without_leaks(pile, held, notes.append)
        new = ~np.isin(corpus_hashes(pile), corpus_hashes(data.train))
        pile = pile.take(np.flatnonzero(new))
        texts = data.train.whole()
        wanted = lacking(lengths_of(texts), terms.mentions(texts), self.harmful(data.train, at))
        own = pile.whole()
        mentions = terms.mentions(own)
        chosen = matched(wanted, lengths_of(own), mentions, seed)
        notes.append(_told(wanted, terms, chosen, mentions))
        labels: dict[str, np.ndarray] = {
            "single": np.full(len(chosen), 1 - at, np.int64),
            "multi": np.zeros((len(chosen), len(task.labels)), np.float32),
            "regression": np.zeros(len(chosen)),
        }
        return pile.take(chosen), labels[task.kind]

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
        several = Task("multi", (first, *self.identities.names))
        return replace(
            data,
            task=several,
            train=self._relabelled(data.train, several, at),
            valid=self._relabelled(data.valid, several, at),
            test=self._relabelled(data.test, several, at) if data.test is not None else None,
        )

    def _relabelled(self, corpus: Corpus, task: Task, at: int) -> Corpus:
        groups = (self.identities.of(corpus) == 1).astype(np.float32)
        targets = corpus.targets()
        harmful = targets == at if targets.ndim == 1 else targets[:, at]
        both = np.column_stack([harmful.astype(np.float32), groups])
        found = {"label": (both >= 0.5).astype(np.float32)}
        if "soft" in corpus.table.column_names:
            found["soft"] = both
        features = datasets.Features(dict.fromkeys(found, datasets.List(datasets.Value("float32"))))
        given = datasets.Dataset.from_dict(found, features)
        table = datasets.concatenate_datasets(
            [corpus.table.remove_columns([*found]), given], axis=1
        )
        return replace(corpus, table=table, task=task)

    def terms_for(self, option: str) -> Terms:
        """The words of the groups; SteepError where columns say what rows mention."""
        if self.identities.terms is None:
            raise SteepError(
                f"{option}: needs words, not columns. Name them with --terms FILE.toml."
            )
        return self.identities.terms


def lengths_of(texts: Sequence[str]) -> np.ndarray:
    """The class of length of each text, int64 (n,)."""
    return np.digitize([len(text) for text in texts], LENGTHS)


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


def _told(wanted: np.ndarray, terms: Terms, chosen: np.ndarray, mentions: np.ndarray) -> str:
    given = mentions[chosen].sum(axis=0)
    counts = zip(terms.groups, given, wanted.sum(axis=0), strict=True)
    named = some([f"{name} {got:,} of {want:,}" for name, got, want in counts], 24)
    added = counted(len(chosen), "text")
    return f"balance: {added} of the pile added as harmless (by group, of those wanted: {named})"


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
    used = used_rows(data, args)
    plan = plan_of(source, args.table.target.label, args.table.columns, asked, how)
    own = as_mapping(asked) | as_mapping(how) | as_mapping(args.few)
    few = type(args.few)()  # the labelled rows are drawn already
    return plan.applied(used, args.seed.seed), replace(args, few=few), own


def plan_of(
    source: Source | Data,
    label: str | None,
    columns: ColumnArgs,
    asked: IdentityArgs,
    how: MitigationArgs,
) -> Mitigation:
    """The mitigation that the options say; SteepError where it is not known what rows mention."""
    if isinstance(source, Data):
        raise SteepError(
            "What rows mention is read from the table: give it, not data that was read."
        )
    identities = read_identities(source, asked, label, columns.unit)
    return Mitigation(identities, asked, how, label, columns)
