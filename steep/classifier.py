"""How is a fit used as a classifier of scikit-learn? `Classifier`, on lists of texts and labels."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from steep import commands
from steep.args import MachineArgs
from steep.console import quiet
from steep.data.corpus import TEXT_COLUMNS, corpus_of
from steep.data.readers import Texts, listed
from steep.errors import SteepError
from steep.metrics.calibration import decide
from steep.models.trained import Trained, load_trained_model
from steep.options import options_of

OWN = ("model", "out", "verbose")  # parameters that are no options of a fit
MACHINE = [option.name for option in options_of(MachineArgs)]
BATCH = 64  # rows predicted at once


class Classifier(ClassifierMixin, BaseEstimator):
    """`steep.fit` with one label a text, as a classifier of scikit-learn.

    `model` is a checkpoint, or a folder of `steep.adapt`; `options` are those of `steep.fit`, by
    default without rows held out for a test. It trains in a temporary folder that goes with the
    object, or in `out`, and says nothing unless `verbose`. Fitted, it has `classes_`, the labels in
    their order, and `folder_`, the model as `steep.predict` takes it.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        out: str | Path | None = None,
        verbose: bool = False,
        **options: Any,
    ) -> None:
        self.model, self.out, self.verbose, self.options = model, out, verbose, options

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """What it was made with; of the options those that were given."""
        return {name: vars(self)[name] for name in OWN} | self.options

    def set_params(self, **params: Any) -> Self:
        """Change parameters, or options of `steep.fit`, given before or not."""
        for name in filter(params.__contains__, OWN):
            setattr(self, name, params.pop(name))
        self.options = self.options | params
        return self

    def fit(self, X: Texts, y: Any) -> Self:
        """Fine-tune on texts, or pairs of texts, and a label for each.

        Raises SteepError for what is wrong with them, or with an option.
        """
        texts = listed(X)
        pairs = bool(texts) and isinstance(texts[0], list | tuple) and len(texts[0]) == 2
        names = TEXT_COLUMNS[: 1 + pairs]
        table = corpus_of(texts, pairs).table.select_columns(list(names)).to_pandas()
        labels, classes = _classes(y, len(table))
        table["label"] = _named(labels)
        columns = {n: n for n in (*names, "label")} | {"task": "single"}
        with quiet(not self.verbose):
            self.folder_ = commands.fit(
                table,
                self.model,
                out=self._folder(),
                **{"test_share": 0.0} | self.options | columns,
            )
        self.classes_ = classes
        return self

    def predict_proba(self, X: Texts) -> np.ndarray:
        """The probability of each class, float64 (texts, classes), in the order of `classes_`."""
        trained, found = self._probabilities(X)
        return found[:, self._places(trained)]

    def predict(self, X: Texts) -> np.ndarray:
        """The label of each text, as `fit` was given it."""
        trained, found = self._probabilities(X)
        return self.classes_[np.argsort(self._places(trained))][decide(trained.task, found)]

    def _places(self, trained: Trained) -> list[int]:
        """Where the model has each of the classes."""
        return [trained.task.labels.index(name) for name in _named(self.classes_)]

    def _folder(self) -> Path:
        if self.out is not None:
            return Path(self.out)
        holder = tempfile.mkdtemp(prefix="steep-")
        weakref.finalize(self, shutil.rmtree, holder, ignore_errors=True)
        return Path(holder) / "model"

    def _probabilities(self, texts: Texts) -> tuple[Trained, np.ndarray]:
        check_is_fitted(self)
        machine = {name: self.options[name] for name in MACHINE if name in self.options}
        trained = load_trained_model(self.folder_)
        corpus = corpus_of(listed(texts), trained.table.columns.pair is not None)
        with quiet(not self.verbose):
            return trained, trained.predict(corpus, BATCH, MachineArgs(**machine)).astype(float)

    def __getstate__(self) -> dict[str, Any]:
        if "folder_" in vars(self) and self.out is None:
            raise SteepError(
                "Classifier: it was fitted in a temporary folder, which no copy of it would hold. "
                "Fit it with out=, or use that folder (folder_) with steep.predict."
            )
        return super().__getstate__()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags


def _classes(y: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels, and their sorted classes; SteepError if they are not one label a text."""
    labels = np.asarray(y)
    if labels.shape != (count,) or pd.isna(labels).any():
        shape = " x ".join(map(str, labels.shape))
        raise SteepError(
            f"y: expected a label for each of {count:,} texts, and none missing; it has the shape "
            f"{shape}. For several labels a text, or for numbers, use steep.fit."
        )
    try:
        classes = np.unique(labels)
    except TypeError:
        raise SteepError("y: labels of several types, such as 1 and 'a'. Make them one.") from None
    if len(set(_named(classes))) < len(classes):
        raise SteepError("y: labels that differ in spaces around them only. Strip them.")
    return labels, classes


def _named(labels: np.ndarray) -> list[str]:
    """Labels as Steep names them."""
    return [str(label).strip() for label in labels.tolist()]
