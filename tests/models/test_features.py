"""Is a text's vector the mean of its last layer, whatever else is in its batch?"""

from pathlib import Path

import datasets
import numpy as np
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from steep.data.corpus import Corpus, Task
from steep.data.inputs import Rows
from steep.models.features import features

TEXTS = ["the cat", "a very old film about a night road", "dog", "good bad story was good"]


def test_it_is_the_mean_over_the_texts_own_tokens(tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    model = AutoModelForMaskedLM.from_pretrained(tiny_bert).train()
    corpus = Corpus(datasets.Dataset.from_dict({"row": range(4), "text": TEXTS}), "memory")
    rows = Rows(corpus, Task("single", ("a", "b")), tokenizer, 32)
    before = torch.get_rng_state()
    found = features(model, rows, False, torch.device("cpu"), batch_size=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    for text, vector in zip(TEXTS, found, strict=True):
        with torch.no_grad():
            hidden = model.eval().base_model(**tokenizer(text, return_tensors="pt"))
        expected = hidden.last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)
