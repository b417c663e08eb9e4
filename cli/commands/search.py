"""`phoserve search`: look something up in a running phoserve."""

import json as json_module
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from cli.loading import SAMPLES
from cli.main import app
from cli.remote import DEFAULT_URL, ApiClient
from phoserve.errors import InvalidInput
from phoserve.search.retrieval import SearchMode

Url = Annotated[str, typer.Option(help="Where phoserve runs.", envvar="PHOSERVE_URL")]
Key = Annotated[str | None, typer.Option(help="API key.", envvar="PHOSERVE_KEY", show_default=False)]
InCollection = Annotated[str, typer.Option("--collection", "-c", help="Where to look.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as it is.")]
Where = Annotated[str | None, typer.Option("--filter", help='JSON, such as {"year": {"gte": 2024}}.')]


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    collection: InCollection = SAMPLES,
    mode: Annotated[SearchMode, typer.Option(help="By meaning, by words, or by both.")] = SearchMode.HYBRID,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="How many passages.", min=1)] = 5,
    where: Where = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    json: AsJson = False,
) -> None:
    """Print the passages that best answer a query."""
    body = {"query": query, "mode": mode, "top_k": top_k, "filter": parse_filter_option(where)}
    answer = ApiClient(url, key).post(f"/v1/collections/{quote(collection, safe='')}/search", body)
    if json:
        typer.echo(json_module.dumps(answer, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for number, hit in enumerate(answer["hits"], start=1):
        console.print(Text.assemble((f"{number}. ", "dim"), (hit["title"] or hit["document_id"], "bold"), "  "), end="")
        console.print(Text(f"{hit['score']:.3f}  {hit['document_id']}", "dim"))
        console.print(_marked(hit), "")
    console.print(Text(f"{len(answer['hits'])} passages, {answer['timings_ms']['total']:.0f} ms", "dim"))


def parse_filter_option(given: str | None) -> dict[str, Any] | None:
    """The filter from its JSON. Raises InvalidInput."""
    if given is None:
        return None
    try:
        where = json_module.loads(given)
    except ValueError as error:
        raise InvalidInput(f"--filter is not JSON: {error}") from None
    if not isinstance(where, dict):
        raise InvalidInput("--filter is a JSON object")
    return where


def _marked(hit: dict[str, Any]) -> Text:
    text = Text(hit["text"])
    for start, end in hit["highlights"]:
        text.stylize("bold yellow", start, end)
    return text
