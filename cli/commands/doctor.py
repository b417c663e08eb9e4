"""`phoserve doctor`: compare registry, passages and originals of a deployment."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.main import app
from phoserve.errors import ConfigurationError

if TYPE_CHECKING:
    from cli.progress import Reporter
    from ingest.doctor import Report
    from phoserve.settings import Settings


@app.command()
def doctor(
    state: Annotated[Path | None, typer.Option(help="State folder of a local platform.")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild passages, groups and damaged records; remove what has no record.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Compare registry, passages and originals; exit with status 1 if they differ.

    PHOSERVE_ variables give the addresses. With --state, it examines a local platform, which must be stopped and
    indexes queued documents when it starts again. A deployment may run meanwhile: documents that are being processed
    are left out. Run it with --repair after a restore, or after the search engine lost its data.
    """
    from cli.progress import ConsoleReporter, JsonReporter, Reporter
    from phoserve.settings import load_settings

    report: Reporter = JsonReporter() if json else ConsoleReporter()
    if state:
        found = asyncio.run(_examine_local(state.expanduser().absolute(), report, repair=repair))
    else:
        found = asyncio.run(_examine(load_settings(), repair=repair))
    for each in found.collections:
        report.tell(
            "collection",
            f"{each.name}: {each.documents} documents at rest, {len(each.missing_passages)} without their passages, "
            f"{len(each.wrong_groups)} with other groups in the index, "
            f"{len(each.missing_originals)} without their original, "
            f"{len(each.missing_texts)} without their text",
            name=each.name,
            documents=each.documents,
            missing_passages=each.missing_passages,
            wrong_groups=each.wrong_groups,
            missing_originals=each.missing_originals,
            missing_texts=each.missing_texts,
        )
    for record in found.damaged:
        outcome = ""
        if repair:
            outcome = "; kept in quarantine, " + ("and queued again" if record.document else "and removed")
        report.tell(
            "damaged",
            f"{record.collection}/{record.id}: the record's {', '.join(record.fields)} cannot be read{outcome}",
            collection=record.collection,
            id=record.id,
            fields=record.fields,
        )
    text = f"{found.orphaned_documents} documents with passages only, "
    text += f"{found.drifted} counted or filtered differently from their records, "
    text += f"{found.newer_passages} with passages newer than their record, "
    text += f"{found.orphaned_originals} originals without a record, {len(found.damaged)} damaged records"
    if repair:
        text += f"; repaired, and {found.queued} documents queued"
    report.tell(
        "examined",
        text,
        healthy=found.is_healthy,
        orphaned_documents=found.orphaned_documents,
        newer_passages=found.newer_passages,
        orphaned_originals=found.orphaned_originals,
        damaged=len(found.damaged),
        drifted=found.drifted,
        queued=found.queued,
    )
    if not (found.is_healthy or repair):
        raise typer.Exit(1)


async def _examine(settings: "Settings", *, repair: bool) -> "Report":
    from ingest.doctor import Doctor
    from phoserve.composition import open_stores

    async with open_stores(settings) as stores:
        return await Doctor(stores.registry, stores.indexes, stores.sources, stores.queue).examine(repair=repair)


async def _examine_local(state: Path, reporter: "Reporter", *, repair: bool) -> "Report":
    from cli.local_registry import open_local_registry
    from cli.preflight import open_state
    from ingest.doctor import Doctor
    from ingest.inline import InlineWorkers
    from phoserve.adapters.edge.index import EdgePassageIndex
    from phoserve.adapters.points import AS_STORED, VectorSpace
    from phoserve.adapters.sources import ObjectStoreSources
    from phoserve.documents.passages import PassageStores

    with open_state(state):
        async with open_local_registry(state, reporter) as registry:
            active = state / "index" / "serving"
            if not active.exists():
                raise ConfigurationError(f"{state} has no index: start it once with `phoserve up`")
            default = active.read_text()
            others = (folder.name.partition("@")[2] for folder in (state / "index").glob("passages@*"))
            fingerprints = dict.fromkeys((default, *others))
            indexes = [EdgePassageIndex(state / "index", VectorSpace(each, AS_STORED)) for each in fingerprints]
            try:
                sources = ObjectStoreSources(state / "originals")
                doctor = Doctor(registry, PassageStores(indexes), sources, InlineWorkers())
                return await doctor.examine(repair=repair)
            finally:
                for index in indexes:
                    await index.close()
