"""The REST API of a running phoserve."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
import typer

from phoserve.errors import InvalidInput, NotFound, PhoserveError, Unavailable

TIMEOUT: Final = httpx2.Timeout(120.0, connect=5.0)
RETRY_S: Final = 1.0
FOR_NOW: Final = (429, 503)


class ApiClient:
    """A client of the API at a URL; problem details are raised as errors with their own message."""

    def __init__(self, url: str, key: str | None = None, *, patience_s: float = 0.0) -> None:
        """Retry for `patience_s` while the server is unavailable or at capacity."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._url = url
        self._patience_s = patience_s
        self._client = httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST `body` and return the response. Raises InvalidInput if rejected, Unavailable without a response."""
        return self._request(lambda: self._client.post(path, json=body))

    def get(self, path: str) -> dict[str, Any]:
        """GET `path` and return the response. Raises as `post` does."""
        return self._request(lambda: self._client.get(path))

    def put(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """PUT `path`, by default without a body, and return the response. Raises as `post` does."""
        return self._request(lambda: self._client.put(path, json=body) if body else self._client.put(path))

    def delete(self, path: str) -> None:
        """DELETE `path`. Raises as `post` does."""
        self._request(lambda: self._client.delete(path))

    def upload(self, path: str, files: Sequence[tuple[str, Path]], fields: dict[str, str]) -> dict[str, Any]:
        """POST files, each with its id, streamed from disk, and return the response. Raises as `post` does."""

        def send() -> httpx2.Response:
            with ExitStack() as stack:
                parts = [("files", (file.name, stack.enter_context(file.open("rb")))) for _, file in files]
                return self._client.post(path, files=parts, data={**fields, "id": [each for each, _ in files]})

        return self._request(send)

    def download(self, path: str, to: Path) -> None:
        """GET `path` and write the response to the new file `to`, whose folders are made.

        Raises as `post` does, and OSError.
        """
        try:
            with self._client.stream("GET", path) as response:
                if response.is_error:
                    response.read()
                    _check(response)
                to.parent.mkdir(parents=True, exist_ok=True)
                with to.open("xb") as file:
                    for part in response.iter_bytes():
                        file.write(part)
        except httpx2.HTTPError as error:
            raise self._away(error) from None

    def events(self, path: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """POST `body` and yield the server-sent events as they arrive. Raises as `post` does."""
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

    def _request(self, send: Callable[[], httpx2.Response]) -> dict[str, Any]:
        deadline = time.monotonic() + self._patience_s
        is_reported = False
        while True:
            pause_s = RETRY_S
            try:
                response = send()
            except httpx2.HTTPError as error:
                if time.monotonic() >= deadline:
                    raise self._away(error) from None
                if not is_reported:
                    typer.echo(f"Waiting for {self._url} for up to {self._patience_s:.0f} s: {error}", err=True)
                    is_reported = True
            else:
                pause_s = float(response.headers.get("Retry-After", RETRY_S))
                if response.status_code not in FOR_NOW or time.monotonic() >= deadline:
                    _check(response)
                    answer: dict[str, Any] = response.json() if response.content else {}
                    return answer
            time.sleep(pause_s)

    def _away(self, error: Exception) -> PhoserveError:
        return Unavailable(
            "api", f"{self._url} is unavailable ({error}); start it with `phoserve up`, or set its address with --url"
        )


def _check(response: httpx2.Response) -> None:
    if response.is_error:
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError):
            detail = f"the server answered {response.status_code}; is it phoserve?"
        hint = "; give a key with --key or PHOSERVE_KEY" if response.status_code == HTTPStatus.UNAUTHORIZED else ""
        raise (NotFound if response.status_code == HTTPStatus.NOT_FOUND else InvalidInput)(detail + hint)
