import pytest
from tritonclient.utils import InferenceServerException

from phoserve.adapters.triton.embedder import translate_error
from phoserve.errors import DeadlineExceeded, InvalidInput, Overloaded, PhoserveError, Unavailable


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        ("StatusCode.INVALID_ARGUMENT", "TEXT is not valid UTF-8", InvalidInput),
        ("StatusCode.DEADLINE_EXCEEDED", "Deadline Exceeded", DeadlineExceeded),
        ("StatusCode.UNAVAILABLE", "Request timeout expired", DeadlineExceeded),
        ("StatusCode.UNAVAILABLE", "Exceeds maximum queue size", Overloaded),
        ("StatusCode.UNAVAILABLE", "the queue is full: 262144 tokens are waiting", Overloaded),
        ("StatusCode.UNAVAILABLE", "Request for unknown model: 'queue_timeout' is not found", Unavailable),
        ("StatusCode.UNAVAILABLE", "no encoder answers; the last one said: timeout", Unavailable),
        ("StatusCode.UNAVAILABLE", "failed to connect to all addresses", Unavailable),
        ("StatusCode.UNAVAILABLE", "Request for unknown model: 'phobert_simcse' is not found", Unavailable),
        ("StatusCode.INTERNAL", "Stub process is not healthy.", Unavailable),
    ],
)
def test_each_status_has_its_domain_error(status: str, message: str, expected: type[PhoserveError]) -> None:
    assert type(translate_error(InferenceServerException(message, status), timeout_s=1.0)) is expected


def test_which_model_a_server_has_is_passed_on() -> None:
    said = "this server has the model aaaa, not bbbb"
    assert str(translate_error(InferenceServerException(said, "StatusCode.UNAVAILABLE"), timeout_s=1.0)) == said
