"""The command line for operators: what each command prints, and how it says in one line what the user can mend."""

import asyncio
import re
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from taskruns_service import __version__
from taskruns_service.app import create_app
from taskruns_service.cli import cli
from tests.postgres import PostgresServer
from tests.service import call_command, run_command, running, served, settings_of

NOBODY = "postgresql://user:password@127.0.0.1:1/taskruns"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a new SQLite file in a folder that does not exist yet."""
    return f"sqlite:///{tmp_path / 'new' / 'taskruns.db'}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of `url`."""
    return tmp_path / "new" / "taskruns.db"


def record(url: str) -> None:
    """Records a flow run with two task runs by the service, which runs in the test."""

    async def send() -> None:
        async with running(create_app(settings_of(url))) as http:
            flow_run = (await http.post("/flow-runs", json={"flow_name": "f"})).json()["id"]
            items = [{"task_slug": slug, "states": [{"type": "Success"}]} for slug in ("a", "b")]
            assert (await http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items})).status_code == 200

    asyncio.run(send())


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["serve"],
        ["migrate"],
        ["check"],
        ["backup"],
        ["prune"],
        ["import-prefect1"],
        ["openapi"],
        ["keys"],
        ["keys", "create"],
        ["keys", "list"],
        ["keys", "revoke"],
    ],
    ids=" ".join,
)
def test_help_explains_the_command(command: list[str]) -> None:
    for option in ("--help", "-h"):
        done = call_command(*command, option)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Usage: {' '.join(['taskruns-service', *command])} [OPTIONS]")


def test_every_command_is_in_the_help() -> None:
    output = call_command("--help").stdout
    assert re.findall(r"^  ([a-z][a-z0-9-]+)  ", output, re.MULTILINE) == sorted(cli.commands)


def test_version_is_shown() -> None:
    assert run_command("--version").stdout == f"taskruns-service, version {__version__}\n"


def test_document_is_written_to_the_file_or_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    done = call_command("openapi", "--output", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run_command("openapi").stdout.encode() == path.read_bytes()


def test_migrate_may_be_repeated(url: str) -> None:
    for _ in range(2):
        done = call_command("migrate", TASKRUNS_DATABASE_URL=url)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"The database has the schema \w+\.\n", done.stdout)


def test_option_goes_before_the_environment(url: str, file: Path) -> None:
    done = call_command("migrate", "--database-url", url, TASKRUNS_DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert (done.returncode, done.stderr, file.exists()) == (0, "", True)


def test_check_agrees_with_what_was_recorded(sqlite_url: str) -> None:
    record(sqlite_url)
    done = call_command("check", TASKRUNS_DATABASE_URL=sqlite_url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "No problems found.\n", "")


def test_check_reports_counts_that_differ(sqlite_url: str, sqlite_file: Path) -> None:
    record(sqlite_url)
    with closing(sqlite3.connect(sqlite_file)) as other, other:
        other.execute("UPDATE task_run_tally SET count = 3 WHERE task_slug = 'a'")
        other.execute('UPDATE flow_run SET state_counts = \'{"Success": 2, "Failed": 1}\'')
    done = call_command("check", TASKRUNS_DATABASE_URL=sqlite_url)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"tally \S+ a Success: counted 1, kept 3", lines[0])
    assert re.fullmatch(r"flow run \S+ Failed: counted 0, kept 1", lines[1])
    assert lines[2:] == ["Problems found: 2."]


def test_check_of_one_flow_run(sqlite_url: str, sqlite_file: Path) -> None:
    for _ in range(2):
        record(sqlite_url)
    with closing(sqlite3.connect(sqlite_file)) as other, other:
        (right,), (wrong,) = other.execute("SELECT id FROM flow_run ORDER BY id").fetchall()
        other.execute("UPDATE task_run SET state = 'Failed' WHERE flow_run_id = ? AND task_slug = 'b'", [wrong])

    def check(flow_run_id: str) -> tuple[int, list[str], str]:
        done = call_command("check", "--flow-run", flow_run_id, TASKRUNS_DATABASE_URL=sqlite_url)
        return done.returncode, done.stdout.splitlines(), done.stderr

    assert check(right) == (0, ["No problems found."], "")
    code, lines, _ = check(wrong)
    assert (code, lines[-1]) == (1, "Problems found: 3.")
    assert any(line.endswith("its state is Failed, but its history gives Success") for line in lines)
    unknown = "8e445d74-9ca6-425b-98e5-72754b7ea174"
    assert check(unknown) == (2, [], f"taskruns-service: There is no flow run {unknown}.\n")
    code, _, said = check("8e44")
    assert code == 2
    assert "'8e44' is not a valid UUID" in said


def test_check_finds_damaged_pages(sqlite_url: str, sqlite_file: Path) -> None:
    record(sqlite_url)
    with closing(sqlite3.connect(sqlite_file)) as other:
        (root,) = other.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'ix_task_run_state'").fetchone()
    with sqlite_file.open("r+b") as content:
        content.seek((root - 1) * 4096 + 8)
        content.write(b"\xff" * 100)
    done = call_command("check", TASKRUNS_DATABASE_URL=sqlite_url)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "Problems found: 1.")
    assert done.stdout.startswith("file: ")


def test_key_is_created_listed_and_revoked(url: str) -> None:
    def keys(*arguments: str) -> tuple[int, str, str]:
        done = call_command("keys", *arguments, TASKRUNS_DATABASE_URL=url)
        return done.returncode, done.stdout, done.stderr

    assert keys("list") == (0, "", "")
    _, key, _ = keys("create", "--scope", "write", "--name", "the agent")
    assert re.fullmatch(r"trk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n", key)
    identifier, secret = key.strip().split("_", 2)[1:]
    code, listed, _ = keys("list")
    assert code == 0
    assert re.fullmatch(identifier + r"  write  \d{4}-\d\d-\d\d \d\d:\d\d  valid +  the agent\n", listed)
    assert keys("revoke", identifier) == (0, f"Revoked {identifier}.\n", "")
    _, listed, _ = keys("list")
    assert re.fullmatch(identifier + r"  write  .{16}  revoked \d{4}-\d\d-\d\d \d\d:\d\d  the agent\n", listed)
    assert secret not in listed
    again = f"taskruns-service: There is no valid key {identifier}. See `taskruns-service keys list`.\n"
    assert keys("revoke", identifier) == (2, "", again)


def test_secret_of_a_key_is_not_kept(url: str, file: Path) -> None:
    key = call_command("keys", "create", "--scope", "read", "--name", "x", TASKRUNS_DATABASE_URL=url).stdout.strip()
    kept = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert key.split("_")[1].encode() in kept
    assert key.split("_", 2)[2].encode() not in kept


REFUSED: list[tuple[list[str], dict[str, str], str]] = [
    (["serve"], {"TASKRUNS_PORT": "many"}, "TASKRUNS_PORT is invalid: "),
    (["serve"], {"TASKRUNS_PORT": "70000"}, "TASKRUNS_PORT is invalid: "),
    (["serve"], {"TASKRUNS_SYNCHRONOUS": "OFF"}, "TASKRUNS_SYNCHRONOUS is invalid: "),
    (["serve"], {"TASKRUNS_REQUIRE_KEYS": "perhaps"}, "TASKRUNS_REQUIRE_KEYS is invalid: "),
    (["serve", "--workers", "0"], {}, "TASKRUNS_WORKERS is invalid: "),
    (["serve", "--workers", "2"], {}, "SQLite supports one process. Use PostgreSQL for more --workers."),
    (["migrate", "--database-url", "mysql://x"], {}, "TASKRUNS_DATABASE_URL is invalid: it must be sqlite:///"),
    (["migrate", "--database-url", "nonsense"], {}, "TASKRUNS_DATABASE_URL is invalid: it must be sqlite:///"),
    (["migrate", "--database-url", "sqlite://"], {}, "TASKRUNS_DATABASE_URL is invalid: it must name a file"),
    (["migrate", "--database-url", NOBODY], {}, "The database does not respond."),
    (["serve", "--database-url", NOBODY], {}, "The database does not respond."),
    (
        ["import-prefect1", "prefect.db"],
        {},
        "The URL of Prefect Server's database must have the form postgresql://user:password@host:5432/",
    ),
    (["check", "--database-url", NOBODY], {}, "The database does not respond."),
    (["keys", "list", "--database-url", NOBODY], {}, "The database does not respond."),
    (["migrate", "--database-url", "sqlite:////proc/no/taskruns.db"], {}, ""),
    (["serve", "--database-url", "sqlite:////proc/no/taskruns.db"], {}, ""),
    (["migrate", "--database-url", "sqlite:////dev"], {}, ""),
    (["keys", "create", "--scope", "read", "--name", ""], {}, "A name must have 1 to 255 characters."),
    (["keys", "create", "--scope", "read", "--name", "x" * 256], {}, "A name must have 1 to 255 characters."),
    *(
        (["prune", option, age], {}, f"{age!r} is not an age.")
        for option in ("--older-than", "--logs-older-than")
        for age in ("", "d", "90", "90m", "-1d", "1.5d", "9999999d", "99999999999999d")
    ),
    (["prune"], {}, "Say what to delete: --older-than AGE, --logs-older-than AGE, or both."),
    (["prune", "--logs-older-than", "1d", "--unfinished"], {}, "Say what to delete: --older-than AGE"),
    (["keys", "revoke", "000000000000"], {}, "There is no valid key 000000000000."),
]


def in_one_line(done: CompletedProcess[str], message: str = "") -> bool:
    """Whether a command failed as it should: nothing on the screen but one line that begins with the message."""
    assert (done.returncode, done.stdout) == (2, "")
    return re.fullmatch(r"taskruns-service: " + re.escape(message) + r".*\n", done.stderr) is not None


@pytest.mark.parametrize(("arguments", "environment", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_error_that_the_user_can_mend_is_one_line(
    url: str, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    assert in_one_line(call_command(*arguments, **({"TASKRUNS_DATABASE_URL": url} | environment)), message)


def test_no_traceback_reaches_the_screen() -> None:
    assert in_one_line(run_command("migrate", TASKRUNS_DATABASE_URL=NOBODY), "The database does not respond.")


def test_document_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    assert in_one_line(call_command("openapi", "--output", str(tmp_path / "no" / "openapi.json")))


@pytest.mark.parametrize("command", ["migrate", "serve", "check"])
def test_file_that_is_no_database_is_refused(tmp_path: Path, command: str) -> None:
    path = tmp_path / "letter.txt"
    letter = "Dear reader, this is not a database, and it is longer than the first page of one would be. " * 100
    path.write_text(letter)
    assert in_one_line(call_command(command, TASKRUNS_DATABASE_URL=f"sqlite:///{path}"))
    assert path.read_text() == letter


@pytest.mark.parametrize("command", [["migrate"], ["serve"], ["check"], ["keys", "list"]], ids=" ".join)
def test_wrong_door_to_postgres_is_one_line(postgres_url: str, command: list[str]) -> None:
    password = postgres_url.partition("//postgres:")[2].partition("@")[0]
    for wrong in (postgres_url.replace(password, "guessed"), postgres_url + "_no_such"):
        done = call_command(*command, TASKRUNS_DATABASE_URL=wrong)
        assert in_one_line(done)
        assert password not in done.stderr


@pytest.mark.parametrize("command", [["serve"], ["check"], ["keys", "list"]], ids=" ".join)
def test_postgres_without_the_schema_asks_for_migrate(postgres_server: PostgresServer, command: list[str]) -> None:
    empty = postgres_server.create_database()
    done = call_command(*command, TASKRUNS_DATABASE_URL=empty)
    assert in_one_line(done)
    assert "taskruns-service migrate" in done.stderr
    postgres_server.drop(empty)


def test_address_in_use_is_one_line(url: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        done = run_command("serve", "--port", str(other.getsockname()[1]), TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("taskruns-service: ")


def test_address_that_is_none_is_one_line(url: str) -> None:
    done = run_command("serve", "--host", "300.1.1.1", "--insecure", TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("taskruns-service: ")


@pytest.mark.slow
def test_localhost_is_an_address(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path, "--host", "localhost") as service, service.client() as http:
        assert http.get("/flow-runs").json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "arguments",
    [["--colour"], ["serve", "--colour"], ["paint"], ["keys", "create", "--scope", "paint", "--name", "x"]],
    ids=" ".join,
)
def test_unknown_word_is_refused(arguments: list[str]) -> None:
    done = call_command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"^Error: ", done.stderr, re.MULTILINE)
