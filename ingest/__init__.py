"""Turning documents into searchable passages.

workers = InlineWorkers()
models = IndexingModels([IndexingModel(index, StagingTools(embedder, text))])
pipeline = Pipeline(registry=registry, models=models, sources=sources)
reconciler = Reconciler(registry, models.indexes, sources, workers)
await reconciler.run_once(ignore_leases=True)  # what the last run left unfinished
workers.start(pipeline)
"""
