"""Pure logic: columns in, columns out. No Flink, no I/O, no clock."""
