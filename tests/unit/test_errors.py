"""Errors reach other processes whole."""

from copy import deepcopy
from typing import Any

import pytest

from phoserve import errors
from phoserve.errors import InvalidInput, ModelNotFound, PhoserveError, Unavailable

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "ModelNotFound": ("m", ["a", "b"]),
    "DocumentNotFound": ("kb", "d"),
    "Unavailable": ("registry", "away"),
}
KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, PhoserveError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_is_rebuilt_as_by_pickle(kind: type[PhoserveError]) -> None:
    error = kind(*ARGUMENTS.get(kind.__name__, ("message",)))
    rebuilt = deepcopy(error)
    assert type(rebuilt) is kind
    assert (str(rebuilt), vars(rebuilt)) == (str(error), vars(error))


def test_fields_that_were_set_later_are_kept() -> None:
    error = Unavailable("index", "away", retry_after_s=7.0)
    assert deepcopy(error).retry_after_s == 7.0
    assert deepcopy(InvalidInput("bad", field="a.b")).field == "a.b"
    assert deepcopy(ModelNotFound("m", [])).name == "m"
