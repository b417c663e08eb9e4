"""Options that several commands share."""

from typing import Annotated, Final

import typer

DEFAULT_URL: Final = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(help="The address of phoserve.", envvar="PHOSERVE_URL")]
Key = Annotated[str | None, typer.Option(help="API key.", envvar="PHOSERVE_KEY", show_default=False)]
InCollection = Annotated[str, typer.Option("--collection", "-c", help="The collection to search.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's response unchanged.")]
Where = Annotated[str | None, typer.Option("--filter", help='JSON, such as {"year": {"gte": 2024}}.')]
