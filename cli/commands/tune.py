"""`phoserve tune`: choose a collection's fusion weights from labelled queries."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from cli.main import app
from cli.options import DEFAULT_URL, AsJson, Key, Url
from phoserve.contract import Fusion
from phoserve.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from cli.remote import ApiClient
    from phoserve.search.tuning import LabelledSearch, Tuning

DEPTH = 100
_MOST_NAMED = 5


@app.command()
def tune(
    queries: Annotated[Path, typer.Option(help="JSON Lines or CSV of query, document_id; .gz too.")],
    collection: Annotated[str, typer.Option("--collection", "-c", help="The collection to tune.")],
    apply: Annotated[bool, typer.Option(help="Store the weights on the collection if they are better.")] = True,
    url: Url = DEFAULT_URL,
    key: Key = None,
    json: AsJson = False,
) -> None:
    """Choose dense and lexical weights on half of the labelled queries, measure them on the other half.

    The weights are stored on the collection if the 95% interval of the gain in nDCG@10 is above 0; otherwise nothing
    changes and the exit status is 1.
    """
    from cli.evaluation import check_enough
    from cli.progress import ConsoleReporter
    from cli.remote import ApiClient
    from phoserve.search.tuning import tune as choose

    client = ApiClient(url, key)
    path = f"/v1/collections/{quote(collection, safe='')}"
    current = Fusion(**client.get(path)["weights"])
    labels = read_labels(queries)
    check_enough(labels)
    _check_documents(client, path, labels)
    searches: dict[str, LabelledSearch] = {}
    with ConsoleReporter().step("Searching", total=len(labels)) as bar:
        for query, relevant in labels.items():
            searches[query] = _searched(client, path, query, relevant)
            bar.done(len(searches))
    tuning = choose(searches, current)
    stored = apply and tuning.is_significant
    if stored:
        client.put(path, {"weights": {"dense": tuning.weights.dense, "lexical": tuning.weights.lexical}})
    _print(tuning, current, stored=stored, json=json)
    raise typer.Exit(0 if tuning.is_significant else 1)


def read_labels(path: Path) -> dict[str, set[str]]:
    """Return the documents that answer each query of a file of labels. Raises InvalidInput that names the line."""
    from cli.evaluation import LabelRow
    from cli.rows import read_rows

    labels: dict[str, set[str]] = {}
    for row in read_rows(path, LabelRow):
        labels.setdefault(row.query, set()).add(row.document_id)
    return labels


def _check_documents(client: "ApiClient", path: str, labels: Mapping[str, set[str]]) -> None:
    """Raise InvalidInput if labels name documents that the collection does not have."""
    unknown = []
    for document_id in sorted(set().union(*labels.values())):
        try:
            client.get(f"{path}/documents/{quote(document_id, safe='')}")
        except NotFound:
            unknown.append(document_id)
    if unknown:
        named = ", ".join(map(repr, unknown[:_MOST_NAMED])) + (", ..." if len(unknown) > _MOST_NAMED else "")
        raise InvalidInput(f"the collection has no document {named}, which labels name; correct the labels")


def _searched(client: "ApiClient", path: str, query: str, relevant: set[str]) -> "LabelledSearch":
    from phoserve.search.tuning import LabelledSearch

    dense, lexical = (
        _best_of_documents(client.post(f"{path}/search", {"query": query, "mode": mode, "top_k": DEPTH})["hits"])
        for mode in ("dense", "lexical")
    )
    return LabelledSearch(dense, lexical, relevant)


def _best_of_documents(hits: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The score of each document's best passage; hits are best first."""
    best: dict[str, float] = {}
    for hit in hits:
        best.setdefault(hit["document_id"], hit["score"])
    return best


def _print(tuning: "Tuning", current: Fusion, *, stored: bool, json: bool) -> None:
    import msgspec

    if json:
        answer = {"current": current, "tuning": tuning, "significant": tuning.is_significant, "stored": stored}
        typer.echo(msgspec.json.encode(answer).decode())
        return
    for name, weights, figure in (("current", current, tuning.before), ("tuned", tuning.weights, tuning.after)):
        blend = f"{weights.dense:g} dense + {weights.lexical:g} lexical"
        typer.echo(f"{name:8} {blend:30} nDCG@10 {figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]")
    gain = f"{tuning.gain.mean:+.3f} [{tuning.gain.low:+.3f}, {tuning.gain.high:+.3f}]"
    typer.echo(f"gain on {tuning.held_out} held-out queries: {gain}")
    if stored:
        typer.echo("The collection now uses the tuned weights.")
    elif not tuning.is_significant:
        typer.echo("The gain is not significant: the weights stay. Label more queries, or keep the weights.")
