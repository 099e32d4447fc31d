"""Whose code raised: what bench did not foresee is to be reported, what was given to it is to be corrected."""

import json

import pytest

from bench.running.rows import classified
from bench.store.schema import Status


def raised(make: object) -> Exception:
    try:
        make()  # type: ignore[operator]
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_code_that_was_given_is_named_and_not_called_unforeseen() -> None:
    def builder() -> None:
        json.loads("{")  # the library raises, and this called it

    status, reason = classified(raised(builder))
    assert status is Status.FAILED
    assert reason.startswith("JSONDecodeError at test_whose_fault.py:")
    assert "raised by code that was given to bench" in reason
    assert "unforeseen" not in reason


def test_an_error_of_our_own_is_to_be_reported() -> None:
    error = raised(lambda: json.loads("{"))
    error.__traceback__ = error.__traceback__.tb_next.tb_next  # type: ignore[union-attr]  # from here on a library's
    status, reason = classified(error)
    assert status is Status.FAILED
    assert "an unforeseen error: report it with this text" in reason


def test_a_reason_is_cut() -> None:
    _, reason = classified(ValueError("x" * 10**6).with_traceback(raised(lambda: 1 / 0).__traceback__))
    assert 1000 < len(reason) < 2500


@pytest.mark.parametrize("text", ["CUDA out of memory", "can't allocate memory"])
def test_memory_comes_first(text: str) -> None:
    def builder() -> None:
        raise RuntimeError(text)

    assert classified(raised(builder))[0] is Status.OUT_OF_MEMORY
