"""Programs behind the scripts, in rooms; `scripts/with-venv NAME` finds a tool in any of them."""
