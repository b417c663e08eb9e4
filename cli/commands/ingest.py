"""`phoserve ingest`: send documents to a running phoserve and wait until they can be searched."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.main import app
from cli.options import DEFAULT_URL, Key, Url, parse_object
from phoserve.errors import InvalidInput

if TYPE_CHECKING:
    from cli.progress import Reporter
    from cli.sending import Sender

STDIN = "-"
PATIENCE_S = 120.0
POLL_S = 0.5
SHOWN = 20


@app.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, 'patterns/**/*.pdf', or - for JSON lines.")],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Where to; made if it is not there.")],
    model: Annotated[
        str | None, typer.Option(help="Model of a collection that is made; the server's default if left out.")
    ] = None,
    metadata: Annotated[str | None, typer.Option(help='Of every file: JSON, such as {"dept": "hr"}.')] = None,
    access: Annotated[
        list[str] | None,
        typer.Option(help="A group that may see the documents; may be repeated. '' opens them to every reader."),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Delete the documents of the collection that are no file of the folder any more."),
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait until everything is indexed.")] = True,
    url: Url = DEFAULT_URL,
    key: Key = None,
    json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Send documents; unchanged ones are skipped, so a second run continues where the first ended.

    The exit status is 1 if a document was refused or failed.
    """
    from cli.progress import ConsoleReporter, JsonReporter, Reporter
    from cli.remote import ApiClient
    from cli.sending import Sender
    from phoserve.documents.collections import validate_collection_name

    report: Reporter = JsonReporter() if json else ConsoleReporter()
    remote = ApiClient(url, key, patience_s=PATIENCE_S)
    fields = parse_object("--metadata", metadata) or {}
    sender = Sender(remote, validate_collection_name(collection), fields, access_of(access))
    if prune and not (len(paths) == 1 and Path(paths[0]).expanduser().is_dir()):
        raise InvalidInput("--prune needs one folder, whose files are all documents of the collection")
    remote.put(sender.url, {"model": model} if model else None)
    _send(sender, paths, report, prune=prune)
    if wait and (sender.sent or sender.pending):
        _follow(sender, report)
    failed = sender.refused + (_failed(sender) if wait else [])
    if wait:
        _report_warnings(sender, report)
    _summary(sender, failed, report)
    sys.exit(1 if failed else 0)


def _send(sender: "Sender", paths: list[str], report: "Reporter", *, prune: bool) -> None:
    from cli.sending import files_in, lines_of

    if STDIN in paths:
        if len(paths) > 1:
            raise InvalidInput("give either - or paths")
        with report.step("Sending the documents of standard input") as bar:
            for done in sender.send_lines(lines_of(sys.stdin)):
                bar.done(done)
        return
    files = files_in(paths)
    with report.step("Sending", total=len(files)) as bar:
        for done in sender.send_files(files, prune=prune):
            bar.done(done)


def _follow(sender: "Sender", report: "Reporter") -> None:
    """Show progress until no document of the collection is queued or processing."""
    total = len(sender.sent) + len(sender.pending)
    with report.step("Indexing", total=total) as bar:
        while unfinished := _unfinished(sender):
            bar.done(max(total - unfinished, 0))
            time.sleep(POLL_S)
        bar.done(total)


def _unfinished(sender: "Sender") -> int:
    counts = sender.remote.get(sender.url)["documents"]
    return int(counts.get("queued", 0)) + int(counts.get("processing", 0))


def _failed(sender: "Sender") -> list[tuple[str, str]]:
    """Return the documents just sent, or still to be indexed, that could not be indexed, each with its reason."""
    return [(each["id"], each["error"]["message"]) for each in _records(sender, "failed")]


def _records(sender: "Sender", state: str) -> Iterator[dict[str, Any]]:
    """Yield the records of the documents just sent, or still to be indexed, that are in `state`."""
    ours, cursor = {*sender.sent, *sender.pending}, ""
    while True:
        page = sender.remote.get(f"{sender.url}/documents?state={state}&limit=200{cursor}")
        yield from (each for each in page["documents"] if each["id"] in ours)
        if page["cursor"] is None:
            return
        cursor = f"&cursor={page['cursor']}"


def _report_warnings(sender: "Sender", report: "Reporter") -> None:
    """Print what could not be kept of the documents just sent."""
    warned = [(each["id"], warning) for each in _records(sender, "ready") for warning in each["warnings"]]
    for document_id, warning in warned[:SHOWN]:
        code, message = warning["code"], warning["message"]
        report.tell("warning", f"  {document_id}: {message}", id=document_id, code=code, message=message)
    if len(warned) > SHOWN:
        report.tell("more", f"  ... and {len(warned) - SHOWN} more warnings; see GET {sender.url}/documents")


def _summary(sender: "Sender", failed: list[tuple[str, str]], report: "Reporter") -> None:
    for document_id, reason in failed[:SHOWN]:
        report.tell("failed", f"  {document_id}: {reason}", id=document_id, reason=reason)
    if len(failed) > SHOWN:
        report.tell("more", f"  ... and {len(failed) - SHOWN} more; see GET {sender.url}/documents?state=failed")
    pruned = f", {sender.pruned} deleted" if sender.pruned else ""
    text = f"{len(sender.sent)} sent, {sender.unchanged} unchanged{pruned}, {len(failed)} failed"
    counts = {"sent": len(sender.sent), "unchanged": sender.unchanged, "pruned": sender.pruned, "failed": len(failed)}
    report.tell("ingested", text, **counts)


def access_of(groups: list[str] | None) -> list[str] | None:
    """Return the groups to send: none if left out, an empty list for ''."""
    return None if groups is None else [each for each in groups if each]
