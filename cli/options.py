"""Options that several commands share."""

import json
from typing import Annotated, Any, Final

import typer

from phoserve.errors import InvalidInput

DEFAULT_URL: Final = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(help="The address of phoserve.", envvar="PHOSERVE_URL")]
Key = Annotated[str | None, typer.Option(help="API key.", envvar="PHOSERVE_KEY", show_default=False)]
InCollection = Annotated[str, typer.Option("--collection", "-c", help="The collection to search.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's response unchanged.")]
Where = Annotated[str | None, typer.Option("--filter", help='JSON, such as {"year": {"gte": 2024}}.')]


def parse_object(option: str, given: str | None) -> dict[str, Any] | None:
    """Return the JSON object that an option has as its value. Raises InvalidInput."""
    if given is None:
        return None
    try:
        value = json.loads(given)
    except ValueError as error:
        raise InvalidInput(f"{option} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{option} must be a JSON object")
    return value
