"""Are numbers written as a reader expects them, and do texts survive the way into Markdown?"""

import html
import math
import re

import pytest
from markdown_it import MarkdownIt

from steep import wording as words

TEXTS = [
    "a | b",
    "back\\slash, \\| and \\\\| both",
    "<script>alert(1)</script>",
    "&amp; stays &lt;b&gt;",
    "*stars* __lines__ `ticks` ~~no~~",
    "[link](http://example.org) ![image](x)",
    "1. first",
    "12) twelfth",
    "- dash",
    "--- ruler",
    "# heading",
    "> quote",
    "0.722",
    "+0.029",
]


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_is_a_dash(value: float | None) -> None:
    assert words.number(value) == words.count(value) == words.NOTHING


def test_numbers_have_fixed_decimals_and_a_true_minus() -> None:
    assert words.number(0.5) == "0.500"
    assert words.number(-0.0214, sign=True) == "\u22120.021"
    assert words.number(0.0214, sign=True) == "+0.021"
    assert words.count(1234567.4) == "1,234,567"
    assert words.span(0.1, None) == words.NOTHING


def test_small_chances_are_bounded() -> None:
    assert words.chance(0.00004) == "< 0.001"
    assert words.chance(0.0314) == "0.031"
    assert words.chance(None) == words.NOTHING


@pytest.mark.parametrize(
    ("seconds", "said"), [(3.14, "3.1 s"), (75, "75 s"), (741, "12.3 min"), (7200, "2.0 h")]
)
def test_durations_read_well(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_names_and_counts_are_words() -> None:
    assert words.plain("macro_f1") == "macro F1"
    assert words.capital("macro F1") == "Macro F1"
    assert [words.counted(n, "class") for n in (0, 1, 2)] == ["0 classes", "1 class", "2 classes"]
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert words.some(["a", "b"], 2) == "a, b"


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_the_same_in_prose_lists_and_tables(text: str) -> None:
    render = MarkdownIt("commonmark").enable("table").render
    cell = render(f"| a | b |\n| --- | --- |\n| {words.inline(text)} | end |\n")
    found = re.findall(r"<td>(.*?)</td>", cell)
    assert [html.unescape(value) for value in found] == [text, "end"]
    assert html.unescape(render(words.inline(text)).strip()) == f"<p>{text}</p>"
    item = html.unescape(render(f"- {words.inline(text)}")).strip()
    assert item == f"<ul>\n<li>{text}</li>\n</ul>"


def test_line_breaks_become_spaces() -> None:
    assert words.inline("one\n\ttwo\r\nthree") == "one two three"


def test_plain_numbers_and_words_stay_readable() -> None:
    assert words.inline("0.722, −0.02 and well-known") == "0.722, −0.02 and well-known"


def test_code_is_fenced_by_more_backticks_than_it_holds() -> None:
    rendered = MarkdownIt("commonmark").render(words.verbatim("steep fit 'a```b'"))
    assert (
        html.unescape(rendered)
        == "<pre><code class=\"language-sh\">steep fit 'a```b'\n</code></pre>\n"
    )


def test_texts_of_the_data_are_quoted_whole_or_cut() -> None:
    assert words.quoted("plain ü 漢 🎈") == "'plain ü 漢 🎈'"
    assert words.quoted("a\nb\t\x1b\u202e\udce9\ud800") == r"'a\nb\t\x1b\u202e\xe9\ud800'"
    assert words.quoted("x" * 379_000) == f"'{'x' * 79}…'"
    assert len(words.some(["y" * 999] * 999)) < 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b", ["a", "b"]),
        ("a, b,c", ["a", "b,c"]),
        ("b,c,a", ["b,c", "a"]),
        ("b,c,b,c", ["b,c", "b,c"]),
        ("a,x,y", ["a", "x", "y"]),
        ("a,,b", ["a", "", "b"]),
        ("d, e, f", ["d, e, f"]),
        ("", [""]),
    ],
)
def test_names_may_hold_commas(text: str, expected: list[str]) -> None:
    known = ["a", "b", "b,c", "d, e, f"]
    assert words.split_at_commas(text, known.__contains__, 2) == expected
    assert words.split_at_commas(",".join("b" * 10_000), known.__contains__, 2) == ["b"] * 10_000
