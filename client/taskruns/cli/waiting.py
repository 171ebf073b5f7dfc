"""What lists do not show yet: reports on this machine that wait to be sent to the service."""

import click

from taskruns import settings
from taskruns.cli.commands import Connection
from taskruns.recording.outbox_file import MAX_COUNTED_FILES, count_waiting


def warn_of_waiting_reports() -> None:
    """Says on standard error if reports for the service of this command wait on this machine."""
    connection = click.get_current_context().find_object(Connection)
    assert connection is not None
    count = count_waiting(settings.outbox_folder(), connection.client.options.url)
    if count:
        files = "1 file waits" if count == 1 else f"{count}{'+' * (count == MAX_COUNTED_FILES)} files wait"
        click.echo(f"{files} with reports to this service. The next flow run or `taskruns flush` sends them.", err=True)
