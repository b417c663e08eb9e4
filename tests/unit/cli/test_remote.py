"""What the commands report about a server's refusals."""

import httpx2
import pytest

from cli.remote import ApiClient
from phoserve.errors import InvalidInput


def client_of(status: int, detail: str) -> ApiClient:
    client = ApiClient("http://test")
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, json={"detail": detail}))
    client._client = httpx2.Client(base_url="http://test", transport=transport)
    return client


def test_a_refused_key_names_the_option() -> None:
    with pytest.raises(InvalidInput, match="send a valid key; give a key with --key or PHOSERVE_KEY"):
        client_of(401, "send a valid key").get("/v1/models")


def test_other_refusals_keep_their_message() -> None:
    with pytest.raises(InvalidInput, match=r"\Ano such field\Z"):
        client_of(422, "no such field").get("/v1/models")


def test_waiting_for_a_server_is_reported_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.remote.RETRY_S", 0.01)
    answers = iter([httpx2.ConnectError("refused"), httpx2.ConnectError("refused"), None])

    def respond(_: httpx2.Request) -> httpx2.Response:
        if error := next(answers):
            raise error
        return httpx2.Response(200, json={"status": "ok"})

    client = ApiClient("http://test", patience_s=60.0)
    client._client = httpx2.Client(base_url="http://test", transport=httpx2.MockTransport(respond))
    assert client.get("/health/live") == {"status": "ok"}
    assert capsys.readouterr().err == "Waiting for http://test for up to 60 s: refused\n"
