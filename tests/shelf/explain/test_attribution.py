"""Do the attributions of tokens sum to the change of the logit, each in its place?"""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("captum", reason="needs the extra 'understand'")

import torch

from steep.data.corpus import Task
from steep.models.checkpoints import load_classifier, load_tokenizer
from steep.models.heads import Classifier
from steep.shelf.explain.attribution import integrated_gradients

TASK = Task("single", ("negative", "positive"))


@pytest.fixture
def classifier(tiny_bert: Path) -> Classifier:
    """The tiny BERT with larger weights, so that its answers depend on the words."""
    model = load_classifier(tiny_bert, TASK, "eager", seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5 if parameter.ndim == 2 else 1)
    return Classifier(model, autocast=False).eval()


def inputs(tiny_bert: Path, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask, and the ids with the text masked."""
    tokenizer = load_tokenizer(tiny_bert)
    ids = np.array(tokenizer(text)["input_ids"])
    masked = ids.copy()
    masked[1:-1] = tokenizer.mask_token_id
    return np.stack([ids, np.ones_like(ids)]), masked


@pytest.mark.parametrize("target", [0, 1])
def test_attributions_sum_to_the_difference(
    classifier: Classifier, tiny_bert: Path, target: int
) -> None:
    given, masked = inputs(tiny_bert, "the film is a good and charming story , never dull")
    with torch.inference_mode():
        ends = [
            float(classifier(torch.from_numpy(np.stack([ids, given[1]])[None]))[0, target])
            for ids in (given[0], masked)
        ]
    found = integrated_gradients(classifier, given, masked, target, n_steps=200)
    assert (found.score, found.baseline) == pytest.approx(ends, abs=1e-5)
    change = ends[0] - ends[1]
    assert abs(change) > 0.05
    assert found.tokens.sum() == pytest.approx(change, rel=0.01)
    assert found.error == pytest.approx(found.tokens.sum() - change, abs=1e-5)
    assert found.tokens[0] == found.tokens[-1] == 0  # [CLS] and [SEP] are not masked


def test_more_steps_are_more_exact(classifier: Classifier, tiny_bert: Path) -> None:
    given, masked = inputs(tiny_bert, "a dull film with a terrible plot and a dreadful end")
    few, many = (abs(integrated_gradients(classifier, given, masked, 1, n).error) for n in (2, 100))
    assert many < few


def test_what_the_baseline_does_not_mask_has_no_attribution(
    classifier: Classifier, tiny_bert: Path
) -> None:
    given, _ = inputs(tiny_bert, "a good film")
    found = integrated_gradients(classifier, given, given[0], 1, n_steps=10)
    assert np.allclose(found.tokens, 0)
    assert found.error == pytest.approx(0)
