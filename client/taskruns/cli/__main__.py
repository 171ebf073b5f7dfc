"""`python -m taskruns.cli` is `taskruns`."""

from taskruns.cli import main

main()
