"""The deep models: served by numpy, trained apart."""
