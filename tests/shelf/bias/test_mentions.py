"""Are words found whole, in any script, and swapped with their case?"""

from pathlib import Path

import pytest

from steep.data.corpus import Task
from steep.errors import SteepError
from steep.shelf.bias.made_texts import exchanged, swapped
from steep.shelf.bias.mentions import Terms, output_of, pattern_of, read_terms

GENDER = {"women": ("woman", "women", "she", "her"), "men": ("man", "men", "he", "his")}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A Woman's place", True),
        ("womanly", False),
        ("non-woman", True),
        ("Ähre", False),
        ("WOMEN!", True),
    ],
)
def test_whole_words_in_any_case(text: str, found: bool) -> None:
    assert (pattern_of(["woman", "women", "ähr"]).search(text) is not None) is found


def test_scripts_without_blanks() -> None:
    assert pattern_of(["朋友"]).search("我的朋友很好") is not None


def test_groups_may_overlap() -> None:
    terms = Terms({"women": ("woman",), "men": ("man",)})
    texts = ["a man and a woman", "a man", "a dog"]
    assert terms.mentions(texts).tolist() == [[True, True], [False, True], [False, False]]


def test_case_is_kept_and_the_first_form_counts() -> None:
    pattern = pattern_of(GENDER["women"])
    forms = list(zip(GENDER["women"], GENDER["men"], strict=True))
    text = "She saw HER; Women, woman and her dog"
    assert exchanged(text, pattern, forms) == "He saw HIS; Men, man and his dog"


def test_what_makes_no_sense_is_skipped() -> None:
    axes = {"gender": GENDER, "pets": {"dogs": ("dog",), "cats": ("cat",), "birds": ("bird",)}}
    texts = ["a woman", "a man and a woman", "a woman with a dog", "a dog", "a tree", "a man-eater"]
    made = swapped(texts, Terms(GENDER, axes, ("man-eater",)))
    assert made.texts == ["a man", "a cat", "a bird"]
    assert made.rows.tolist() == [0, 3, 3]
    assert made.ways[1:] == [("pets", "dogs", "cats"), ("pets", "dogs", "birds")]
    assert made.skipped == 3


def test_a_file_of_terms(tmp_path: Path) -> None:
    path = tmp_path / "terms.toml"
    path.write_text(
        '[groups]\nwomen = ["woman"]\n[swap.g]\na = ["x"]\nb = ["y"]\n', encoding="utf-8"
    )
    terms = read_terms(path)
    assert terms.groups == {"women": ("woman",)}
    assert terms.axes == {"g": {"a": ("x",), "b": ("y",)}}


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("gay men", "about gay\nmen", True),
        ("gay men", "about gay\u00a0 men", True),
        ("cafe", "a cafe\u0301", False),  # é, in two characters
        ("mère", "la me\u0300re", True),
        ("राम", "रामायण पढ़ी", False),
        ("नर", "किनर", False),
        ("औरत", "औरतें", False),
        ("औरत", "वह औरत है", True),
    ],
)
def test_marks_belong_to_their_letter_and_blanks_are_alike(
    term: str, text: str, found: bool
) -> None:
    assert Terms({"a": (term,)}).mentions([text]).item() is found


def test_letters_that_only_a_pattern_finds_alike_are_swapped() -> None:
    axes = {
        "gender": {"women": ("kadın",), "men": ("gay  men",)},
        "own": {"a": ("his",), "b": ("her",)},
    }
    made = swapped(["Bir KADIN geldi", "HİS car"], Terms(GENDER, axes))
    assert made.texts == ["Bir GAY  MEN geldi", "HER car"]


@pytest.mark.parametrize(
    ("classes", "positive", "found"),
    [
        (("0", "1"), None, 1),
        (("No", "Yes"), None, 1),
        (("not toxic", "toxic"), None, 1),
        (("hate", "nothate"), "hate", 0),
        (("toxic",), None, 0),
    ],
)
def test_which_class_is_harmful(classes: tuple[str, ...], positive: str | None, found: int) -> None:
    task = Task("single" if len(classes) > 1 else "regression", classes)
    assert output_of(task, positive, "label") == found


@pytest.mark.parametrize("classes", [("hate", "nothate"), ("abusive", "normal"), ("HOF", "NOT")])
def test_which_class_is_harmful_is_not_guessed(classes: tuple[str, str]) -> None:
    """Of names in order of the alphabet the second one would be the harmless."""
    with pytest.raises(SteepError, match="name one with --positive"):
        output_of(Task("single", classes), None, "label")
