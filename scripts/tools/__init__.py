"""One module a tool; `scripts/with-venv NAME` runs `scripts.tools.NAME`."""
