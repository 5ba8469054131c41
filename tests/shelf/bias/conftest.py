"""What do the tests of bias share? Comments that mention groups, their terms, and a model."""

import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import BAD, GOOD, WORDS
from tests.stages.conftest import short_step2  # noqa: F401

Steep = Callable[..., object]
TERMS = """
[groups]
women = ["woman", "mother"]
men = ["man", "father"]
cats = ["cat"]

[swap.gender]
women = ["woman", "mother"]
men = ["man", "father"]

[skip]
words = ["house"]
"""
NEUTRAL = [word for word in WORDS if word not in ("woman", "mother", "man", "father", "cat")]


def table_of(rows: int, seed: int = 0) -> pd.DataFrame:
    """Comments of one harmful or harmless word; a third mentions women, a third men, few cats."""
    draw = random.Random(seed)
    lines = []
    for number in range(rows):
        words = draw.choices(NEUTRAL, k=draw.randint(3, 9))
        harmful = number % 2 == 1
        words.insert(draw.randint(0, len(words)), draw.choice(BAD if harmful else GOOD))
        group = (("woman", "mother"), ("man", "father"), ())[number // 2 % 3]
        if group:
            words.insert(draw.randint(0, len(words)), draw.choice(group))
        if number % 40 < 2:
            words.append("cat")
        lines.append(
            {
                "id": f"c{number}",
                "text": " ".join(words),
                "toxic": round(draw.uniform(0.5, 1) if harmful else draw.uniform(0, 0.49), 2),
                "women": 0.8 if "woman" in words or "mother" in words else 0.0,
                "men": 0.5 if "man" in words or "father" in words else 0.2,
                "cats": float("cat" in words),
                "thread": f"t{number // 4}",
            }
        )
    return pd.DataFrame(lines)


@pytest.fixture(scope="session")
def comments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comments as a file."""
    path = tmp_path_factory.mktemp("comments") / "comments.csv"
    table_of(300).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def terms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The words that mention the groups."""
    path = tmp_path_factory.mktemp("terms") / "terms.toml"
    path.write_text(TERMS, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def judge(
    steep: Steep,
    comments: Path,
    tiny_bert: Path,
    tiny: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A model of the comments' soft labels that learnt something."""
    out = tmp_path_factory.mktemp("judge") / "judge"
    training = "--label toxic --soft --epochs 6 --batch-size 8 --learning-rate 3e-3 --model"
    steep("fit", comments, training, tiny_bert, tiny, "--out", out)
    return out
