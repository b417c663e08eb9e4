"""Settings come from variables; a wrong one stops the program with its name and without its value."""

import pytest

from phoserve.errors import ConfigurationError
from phoserve.settings import load_settings


def test_variables_reach_their_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOSERVE_TRITON__URL", "dns:///triton:8001")
    monkeypatch.setenv("PHOSERVE_LIMITS__MAX_IN_FLIGHT", "7")
    settings = load_settings()
    assert settings.triton.url == "dns:///triton:8001"
    assert settings.limits.max_in_flight == 7


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PHOSERVE_TRITON__ULR", "x", "PHOSERVE_TRITON__ULR: unknown setting; did you mean PHOSERVE_TRITON__URL?"),
        ("PHOSERVE_TRITON__QQQQ", "x", "PHOSERVE_TRITON__QQQQ: unknown setting"),
        ("PHOSERVE_TRITTON__URL", "x", "PHOSERVE_TRITTON__URL: unknown group of settings"),
        ("PHOSERVE_LIMITS__MAX_IN_FLIGHT", "many", "PHOSERVE_LIMITS__MAX_IN_FLIGHT: Input should be a valid integer"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert sentence in str(refused.value)


def test_a_value_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOSERVE_QDRANT__API_KYE", "topsecret")
    monkeypatch.setenv("PHOSERVE_QDRANT__TIMEOUT_S", "topsecret")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert "topsecret" not in str(refused.value)


def test_variables_of_the_command_line_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOSERVE_STATE", "somewhere")
    load_settings()
