"""Request and response schemas, one module per group of routes."""
