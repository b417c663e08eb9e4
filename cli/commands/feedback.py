"""`phoserve feedback`: what people thought of answers, as labelled questions."""

import json as json_module
from typing import Annotated
from urllib.parse import quote

import typer

from cli.main import app
from cli.options import DEFAULT_URL, InCollection, Key, Url
from cli.samples import SAMPLES


@app.command()
def feedback(
    collection: InCollection = SAMPLES,
    details: Annotated[bool, typer.Option(help="Print each vote with its answer instead of labels.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Print feedback on answers as labelled questions.

    The lines are for `phoserve eval --queries`; with --details, each is a vote with its answer.
    """
    from cli.remote import ApiClient

    found = ApiClient(url, key).get(f"/v1/collections/{quote(collection, safe='')}/feedback")
    for row in found["feedback" if details else "labels"]:
        typer.echo(json_module.dumps(row, ensure_ascii=False))
