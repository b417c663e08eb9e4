"""`phoserve search`: search a running phoserve."""

import json as json_module
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from cli.main import app
from cli.options import DEFAULT_URL, AsJson, InCollection, Key, Url, Where, parse_object
from cli.samples import SAMPLES
from phoserve.search.modes import SearchMode

if TYPE_CHECKING:
    from rich.text import Text


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="The text to search for.")],
    collection: InCollection = SAMPLES,
    mode: Annotated[SearchMode, typer.Option(help="Rank by meaning, by words, or by both.")] = SearchMode.HYBRID,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="Number of passages.", min=1)] = 5,
    where: Where = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    json: AsJson = False,
) -> None:
    """Print the passages that best answer a query."""
    from rich.console import Console
    from rich.text import Text

    from cli.remote import ApiClient

    body = {"query": query, "mode": mode, "top_k": top_k, "filter": parse_object("--filter", where)}
    answer = ApiClient(url, key).post(f"/v1/collections/{quote(collection, safe='')}/search", body)
    if json:
        typer.echo(json_module.dumps(answer, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for number, hit in enumerate(answer["hits"], start=1):
        console.print(Text.assemble((f"{number}. ", "dim"), (hit["title"] or hit["document_id"], "bold"), "  "), end="")
        console.print(Text(f"{hit['score']:.3f}  {hit['document_id']}", "dim"))
        console.print(_mark(hit), "")
    console.print(Text(f"{len(answer['hits'])} passages, {answer['timings_ms']['total']:.0f} ms", "dim"))


def _mark(hit: dict[str, Any]) -> "Text":
    from rich.text import Text

    text = Text(hit["text"])
    for start, end in hit["highlights"]:
        text.stylize("bold yellow", start, end)
    return text
