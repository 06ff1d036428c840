"""What more subtasks and more state cost."""
