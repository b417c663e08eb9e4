"""A running phoserve, asked over its REST API."""

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx2

from phoserve.errors import InvalidInput, PhoserveError, Unavailable

DEFAULT_URL: Final = "http://127.0.0.1:8000"
TIMEOUT: Final = httpx2.Timeout(120.0, connect=5.0)


class Remote:
    """The API at a URL; its problems come back as errors with their own sentence."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._url = url
        self._client = httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a POST. Raises InvalidInput for what the API refuses, Unavailable where nobody answers."""
        try:
            response = self._client.post(path, json=body)
        except httpx2.HTTPError as error:
            raise self._away(error) from None
        _check(response)
        answer: dict[str, Any] = response.json()
        return answer

    def events(self, path: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The server-sent events of a POST, as they come. Raises as `post` does."""
        name = ""
        try:
            with self._client.stream("POST", path, json=body) as response:
                if response.is_error:
                    response.read()
                    _check(response)
                for line in response.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        yield name, json.loads(line.removeprefix("data: "))
        except httpx2.HTTPError as error:
            raise self._away(error) from None

    def _away(self, error: Exception) -> PhoserveError:
        return Unavailable(
            "api", f"{self._url} does not answer ({error}); start it with `phoserve up`, or name it with --url"
        )


def _check(response: httpx2.Response) -> None:
    if response.is_error:
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError):
            detail = f"the server answered {response.status_code}; is it phoserve?"
        raise InvalidInput(detail)
