"""What is remembered of users: the layouts of a record, and how records are read and written."""
