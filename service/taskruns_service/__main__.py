"""`python -m taskruns_service`: the same as the command `taskruns-service`."""

from taskruns_service.cli import main

main()
