from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given, settings, strategies as st

from bench import text
from bench.errors import InputError
from bench.work_clock import parsed_seconds


def test_the_examples_in_the_docstrings_hold() -> None:
    tried = doctest.testmod(text)
    assert tried.attempted > 10
    assert tried.failed == 0


@settings(deadline=None)
@given(st.floats(1e-3, 1e8))
def test_decimals_show_four_significant_digits_of_the_smallest(value: float) -> None:
    places = text.decimals([value, 2 * value])
    assert places is not None
    assert abs(round(value, places) - value) <= 5e-4 * value * (1 + 1e-9)


def test_values_too_small_or_too_large_for_decimals_are_written_with_an_exponent() -> None:
    assert text.decimals([1e-9]) is None
    assert text.decimals([1.0, 1e12]) is None
    assert text.number(1.5e-9) == "1.5e-9"
    assert text.number(-1.5e12) == "−1.5e+12"
    assert text.decimals([None, 0.0]) == 0


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        (-62058474165366277854106451114459136.0, 2, "−6.206e+34"),
        (1e6, 0, "1.000e+06"),
        (-999_999.25, 2, "−999999.25"),
        (25_199_159_903.49, None, "2.52e+10"),
    ],
)
def test_no_number_has_more_than_six_digits_before_the_point(value: float, places: int | None, expected: str) -> None:
    assert text.number(value, places) == expected
    assert text.bounds((value, value), places) == f"[{expected}, {expected}]"
    assert not re.search(r"\d{7}", text.significant(value) + text.percent(value))


def test_what_is_not_zero_does_not_seem_so_and_zero_has_no_sign() -> None:
    assert (text.number(-0.0001, 2), text.number(0.004, 2), text.number(0.006, 2)) == ("−0.0001", "0.004", "0.01")
    assert (text.number(-0.0, 2), text.number(-1e-15, 2)) == ("0.00", "0.00")
    assert text.number(-0.0) == "0"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0.00 ms"),
        (0.0123, "12.3 ms"),
        (0.999, "999 ms"),
        (99.9, "99.9 s"),
        (100, "1 min 40 s"),
        (7200, "2 h 0 min"),
    ],
)
def test_every_duration_has_a_unit(seconds: float, expected: str) -> None:
    assert text.seconds(seconds) == expected


@pytest.mark.parametrize(
    "value",
    ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"],
    ids=["equals", "plus", "minus", "at", "tab", "cr", "lf"],
)
def test_no_text_is_a_formula_in_a_spreadsheet(value: str) -> None:
    assert text.csv_safe(value) == f"'{value}"
    assert text.csv_safe("lstm = best") == "lstm = best"


@settings(deadline=None)
@given(st.text())
def test_markdown_text_holds_no_markup(value: str) -> None:
    shown = text.markdown(value)
    assert "\n" not in shown
    assert "<" not in shown
    assert ">" not in shown
    for place, character in enumerate(shown):
        if character in "|`*_[]":
            before = shown[:place]
            assert (len(before) - len(before.rstrip("\\"))) % 2 == 1, shown


def test_markdown_text_links_and_mentions_nothing() -> None:
    assert text.markdown("see http://x.y") == r"see http\://x.y"
    assert text.markdown("@all") == "@\u200ball"
    assert text.markdown("1. item") == r"1\. item"
    assert text.markdown("- item") == r"\- item"


@settings(deadline=None)
@given(st.text())
def test_a_slug_is_safe_in_a_file_name_and_an_anchor(value: str) -> None:
    assert set(text.slug(value)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 0 < len(text.slug(value)) <= 40


@pytest.mark.parametrize(
    ("text", "expected"), [("45s", 45), ("20m", 1200), ("1h30m", 5400), ("1.5 h", 5400), ("2 min 30 s", 150)]
)
def test_a_duration_is_read_as_people_write_it(text: str, expected: float) -> None:
    assert parsed_seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "20", "20 m!", "0s", "-5m", "m20", "1h30"])
def test_what_is_no_duration_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        parsed_seconds(text)
    assert str(error.value) == f"expected a duration, such as 45s, 20m or 1h30m, got {text!r}"
