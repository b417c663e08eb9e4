"""Settings of all tests."""

from hypothesis import settings

# Time per example depends on the machine's load; tests of time measure it themselves.
settings.register_profile("phoserve", deadline=None)
settings.load_profile("phoserve")
