"""Are words found whole, in any script, and swapped with their case?"""

from pathlib import Path

import pytest

from steep.shelf.bias.made_texts import exchanged, swapped
from steep.shelf.bias.mentions import Terms, pattern_of, read_terms

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
