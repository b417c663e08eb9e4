"""The commands of `phoserve`: one module each, imported only when its command runs."""

from typing import Final

COMMANDS: Final = {
    "up": "Start Triton, the API, ingestion and search on this machine.",
    "search": "Print the passages that best answer a query.",
    "ask": "Print the answer to a question, with the passages it cites.",
    "feedback": "Print feedback on answers as labelled questions.",
    "ingest": "Send documents to a running phoserve and wait until they can be searched.",
    "collections": "List and delete collections.",
    "documents": "List, delete and export the documents of a collection.",
    "serve": "Run the REST API of a deployment of several processes.",
    "worker": "Run an ingestion worker of a deployment.",
    "doctor": "Compare registry, passages and originals of a deployment.",
    "migrate": "Bring the registry's database to this release.",
    "reconcile": "Queue documents that are due, finish deletions, remove orphaned passages.",
    "reembed": "Embed every passage again with a new model, then activate it.",
    "rollout": "Load a new version of the model into a running Triton server.",
    "export": "Export a model from a folder or the Hugging Face hub for Triton.",
    "eval": "Measure nDCG@10, recall and MRR on labelled queries.",
    "tune": "Choose a collection's fusion weights from labelled queries.",
    "tokenize": "Segment and tokenize the lines of standard input.",
    "bench": "Benchmark the throughput of this checkout, with plots.",
    "key": "Create an API key for the key file.",
    "keys": "Add, list and revoke API keys of the registry.",
}
"""The name of each command and its line in `phoserve --help`; the module `cli.commands.NAME` registers it.

A new command is a new module and a line here.
"""
