"""Settings of all tests."""

from hypothesis import settings

# the first example compiles, so no deadline; the same examples in every run
settings.register_profile("streamrec", deadline=None, derandomize=True)
settings.load_profile("streamrec")
