"""Turning documents into searchable passages.

workers = InlineWorkers()
pipeline = Pipeline(registry=registry, index=index, sources=sources, tools=StagingTools(embedder, text))
reconciler = Reconciler(registry, index, sources, workers)
await reconciler.run_once(ignore_leases=True)  # what the last run left unfinished
workers.start(pipeline)
"""
