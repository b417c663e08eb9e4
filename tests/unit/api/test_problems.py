"""Every domain error has its status, and nothing unforeseen leaks."""

import inspect

import pytest

from api.problems import STATUS, openai_error, problem_of, status_of
from phoserve import errors
from phoserve.errors import CollectionNotFound, ConfigurationError, InvalidInput, PhoserveError

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, PhoserveError)]


@pytest.mark.parametrize("kind", [each for each in ALL if each is not PhoserveError])
def test_every_domain_error_is_mapped(kind: type[PhoserveError]) -> None:
    assert any(base in STATUS for base in kind.__mro__), f"{kind.__name__} has no status in api/problems.py"


def test_an_error_outside_the_table_is_a_fault_of_ours() -> None:
    class Unmapped(PhoserveError):
        pass

    assert status_of(Unmapped("x")) == 500


def test_the_nearest_class_decides() -> None:
    assert problem_of(errors.TooLarge("too large")).status == 413
    assert problem_of(CollectionNotFound("kb")).status == 404
    assert problem_of(errors.ContractMismatch("other model")).status == ConfigurationErrorStatus


ConfigurationErrorStatus = STATUS[ConfigurationError]


def test_the_field_is_named() -> None:
    problem = problem_of(InvalidInput("is blank", field="documents[2].text"))
    assert problem.status == 422
    assert [each.field for each in problem.errors] == ["documents[2].text"]
    assert openai_error(problem).error.param == "documents[2].text"


def test_what_nobody_foresaw_is_answered_without_its_message() -> None:
    problem = problem_of(RuntimeError("password=hunter2"), request_id="r1")
    assert problem.status == 500
    assert "hunter2" not in problem.detail
    assert problem.request_id == "r1"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (InvalidInput("is blank", field="query"), "query is blank"),
        (errors.TooLarge("has 9 parts", field="messages[0]"), "messages[0] has 9 parts"),
        (InvalidInput("a title is at most 9 characters", field="title"), "a title is at most 9 characters"),
        (InvalidInput("is blank"), "is blank"),
    ],
)
def test_a_message_names_its_subject(error: PhoserveError, detail: str) -> None:
    assert problem_of(error).detail == detail
