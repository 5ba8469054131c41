"""What do the tests of summaries share? Documents whose summary can be learnt, and a summariser."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import GOOD, WORDS

PLAIN = [word for word in WORDS if word.isalpha()]
SHORT = "--device cpu --precision fp32 --sentence-vectors mean"
COLUMNS = "--text article --summary highlights"


def made(count: int, seed: int) -> list[dict[str, Any]]:
    """Documents of 5 to 8 sentences; two with a telling word, not the first, are the summary."""
    draw, rows = random.Random(seed), []
    for number in range(count):
        sentences, telling = [], set(draw.sample(range(1, 5), 2))
        for i in range(draw.randint(5, 8)):
            words = draw.choices(PLAIN, k=draw.randint(5, 8))
            if i in telling:
                words[draw.randint(1, 3)] = draw.choice(GOOD)
            sentences.append(" ".join(words).capitalize() + ".")
        rows.append(
            {
                "id": f"d{number}",
                "article": " ".join(sentences),
                "sentences": sentences,
                "labels": [int(i in telling) for i in range(len(sentences))],
                "highlights": "\n".join(sentences[i] for i in sorted(telling)),
            }
        )
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def articles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 120 documents with summaries."""
    return write(tmp_path_factory.mktemp("articles") / "articles.jsonl", made(120, 1))


@pytest.fixture(scope="session")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 40 further ones."""
    return write(tmp_path_factory.mktemp("more") / "more.jsonl", made(40, 2))


@pytest.fixture(scope="session")
def summariser(
    steep: Callable[..., Any],
    articles: Path,
    tiny_bert: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A summariser that learnt from the documents."""
    out = tmp_path_factory.mktemp("summariser") / "summariser"
    learning = "--epochs 6 --learning-rate 2e-3"
    files = (articles, COLUMNS, "--model", tiny_bert)
    steep("summarize fit", *files, SHORT, learning, "--out", out)
    return out
