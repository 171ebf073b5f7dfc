"""The rules of task runs, without I/O: states, results, identifiers and errors."""
