"""Machines for the tests: network namespaces of Linux, each with its own address, processes and cable."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.postgres import run, unprivileged_user

NOWHERE = "02:00:00:00:00:00"
"""The address of a network card that nobody has."""

READ_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""Python may lie in the private folder of whoever runs the tests."""


class Machine:
    """A network namespace. What runs in it is killed and frozen together, as by its power and its hypervisor."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self.folder = folder
        self._card = f"{name}-out"
        self._started: list[subprocess.Popen[bytes]] = []

    def connect(self, bridge: str) -> None:
        """Puts the machine onto a bridge."""
        run(["ip", "netns", "add", self.name])
        run(["ip", "link", "add", self._card, "type", "veth", "peer", "name", "eth0", "netns", self.name])
        run(["ip", "link", "set", self._card, "master", bridge, "up"])
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def run(self, *command: str | Path) -> str:
        """Runs a command in it to its end and returns what it printed."""
        return run(["ip", "netns", "exec", self.name, *command])

    def start(self, *command: str | Path) -> None:
        """Starts a program in it, as a user without rights; what it prints goes into `log` in the machine's folder."""
        user = unprivileged_user()
        as_user = (
            ["setpriv", f"--reuid={user}", f"--regid={_group_of(user)}", "--clear-groups", *READ_ALL] if user else []
        )
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *as_user, *command],
                cwd=self.folder,
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)

    def log(self) -> str:
        """All that its programs have printed."""
        return (self.folder / "log").read_text(errors="replace")

    def processes(self, *names: str) -> list[int]:
        """The processes that run in it; those alone that have one of `names`, if any, in their command line."""
        processes = map(int, run(["ip", "netns", "pids", self.name]).split())
        return [process for process in processes if any(name in _command_line(process) for name in names or ("",))]

    def send_signal(self, number: signal.Signals, *names: str) -> None:
        """Sends a signal to the processes that `processes` gives."""
        for process in self.processes(*names):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self) -> None:
        """Kills all that runs in it at once."""
        while self.processes():
            self.send_signal(signal.SIGKILL)
            for process in self._started:
                process.wait()
            self._started.clear()

    def pull_cable(self) -> None:
        """Takes it off the network."""
        run(["ip", "link", "set", self._card, "down"])

    def plug_cable(self) -> None:
        """Puts it onto the network again."""
        run(["ip", "link", "set", self._card, "up"])

    def cut_off_from(self, machines: Sequence["Machine"]) -> None:
        """Sends nothing to other machines any more, while everybody else reaches it."""
        for other in machines:
            self.run("ip", "neigh", "replace", other.address, "lladdr", NOWHERE, "nud", "permanent", "dev", "eth0")

    def reconnect_to(self, machines: Sequence["Machine"]) -> None:
        """Sends to them again."""
        for other in machines:
            self.run("ip", "neigh", "del", other.address, "dev", "eth0")

    def remove(self) -> None:
        """Ends all that runs in it, and the machine."""
        self.kill()
        run(["ip", "netns", "delete", self.name])


@contextmanager
def networked(folder: Path, count: int) -> Iterator[list[Machine]]:
    """Makes machines that reach each other, and that this one reaches, until the block ends.

    Raises RuntimeError where they cannot be made.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise RuntimeError("The tests need root and `ip`, on Debian of the package iproute2, for network namespaces.")
    number = os.getpid()
    bridge, network = f"tr{number % 100000}", f"198.18.{number % 256}"  # the range for tests of networks, RFC 2544
    machines = [Machine(f"{bridge}-{n}", f"{network}.{n}", folder / f"machine-{n}") for n in range(1, count + 1)]
    run(["ip", "link", "add", bridge, "type", "bridge"])
    try:
        run(["ip", "address", "add", f"{network}.254/24", "dev", bridge])
        run(["ip", "link", "set", bridge, "up"])
        created: list[Machine] = []
        try:
            for machine in machines:
                machine.folder.mkdir()
                if user := unprivileged_user():
                    shutil.chown(machine.folder, user)
                created.append(machine)
                machine.connect(bridge)
            yield machines
        finally:
            for machine in created:
                machine.remove()
    finally:
        run(["ip", "link", "delete", bridge])


def _command_line(process: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def _group_of(user: str) -> str:
    return run(["id", "-g", user]).strip()
