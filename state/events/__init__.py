"""From bytes to events: how they are read (`fields`, `parse`), and what is expected (`rules`)."""
