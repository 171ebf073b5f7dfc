"""The command line for operators: what each command prints, and how it says in one line what the user can mend."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from taskruns_service import __version__
from taskruns_service.cli import cli
from tests.service import run_command, served


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a new SQLite file in a folder that does not exist yet."""
    return f"sqlite:///{tmp_path / 'new' / 'taskruns.db'}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of `url`."""
    return tmp_path / "new" / "taskruns.db"


def record(url: str, folder: Path) -> None:
    """Records a flow run with two task runs by the service."""
    with served(url, folder) as service, service.client() as http:
        flow_run = http.post("/flow-runs", json={"flow_name": "f"}).json()["id"]
        items = [{"task_slug": slug, "states": [{"type": "Success"}]} for slug in ("a", "b")]
        assert http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items}).status_code == 200


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["migrate"], ["check"], ["openapi"], ["keys"], ["keys", "create"], ["keys", "list"], ["keys", "revoke"]],
    ids=" ".join,
)
def test_help_explains_the_command(command: list[str]) -> None:
    for option in ("--help", "-h"):
        done = CliRunner().invoke(cli, [*command, option])
        assert done.exit_code == 0
        assert done.output.startswith(f"Usage: cli{''.join(f' {word}' for word in command)} [OPTIONS]")
    for line in re.findall(r"^  (-[^ ]*|[a-z]+) (.*)$", done.output, re.MULTILINE):
        assert line[1].strip(), line


def test_every_command_is_in_the_help() -> None:
    output = run_command("--help").stdout
    assert re.findall(r"^  ([a-z]+)  ", output, re.MULTILINE) == sorted(cli.commands)


def test_version_is_shown() -> None:
    assert run_command("--version").stdout == f"taskruns-service, version {__version__}\n"


def test_document_is_written_to_the_file_or_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    done = run_command("openapi", "--output", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run_command("openapi").stdout.encode() == path.read_bytes()


def test_migrate_may_be_repeated(url: str) -> None:
    for _ in range(2):
        done = run_command("migrate", TASKRUNS_DATABASE_URL=url)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"The database has the schema \w+\.\n", done.stdout)


def test_option_goes_before_the_environment(url: str, file: Path) -> None:
    done = run_command("migrate", "--database-url", url, TASKRUNS_DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert (done.returncode, done.stderr, file.exists()) == (0, "", True)


def test_check_agrees_with_what_was_recorded(url: str, tmp_path: Path) -> None:
    record(url, tmp_path)
    done = run_command("check", TASKRUNS_DATABASE_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "All counts are right.\n", "")


def test_check_reports_counts_that_differ(url: str, file: Path, tmp_path: Path) -> None:
    record(url, tmp_path)
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("UPDATE task_run_tally SET count = 3 WHERE task_slug = 'a'")
        other.execute("UPDATE flow_run SET state_counts = '{\"Success\": 2, \"Failed\": 1}'")
    done = run_command("check", TASKRUNS_DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"tally \S+ a Success: counted 1, kept 3", lines[0])
    assert re.fullmatch(r"flow run \S+ Failed: counted 0, kept 1", lines[1])
    assert lines[2:] == ["2 counts differ."]


def test_key_is_created_listed_and_revoked(url: str) -> None:
    def keys(*arguments: str) -> tuple[int, str, str]:
        done = run_command("keys", *arguments, TASKRUNS_DATABASE_URL=url)
        return done.returncode, done.stdout, done.stderr

    assert keys("list") == (0, "", "")
    _, key, _ = keys("create", "--scope", "write", "--name", "the agent")
    assert re.fullmatch(r"trk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n", key)
    identifier, secret = key.strip().split("_", 2)[1:]
    code, listed, _ = keys("list")
    assert code == 0
    assert re.fullmatch(identifier + r"  write  \d{4}-\d\d-\d\d \d\d:\d\d  in force +  the agent\n", listed)
    assert keys("revoke", identifier) == (0, f"Revoked {identifier}.\n", "")
    _, listed, _ = keys("list")
    assert re.fullmatch(identifier + r"  write  .{16}  revoked \d{4}-\d\d-\d\d \d\d:\d\d +  the agent\n", listed)
    assert secret not in listed
    again = f"taskruns-service: There is no key {identifier} in force. See `taskruns-service keys list`.\n"
    assert keys("revoke", identifier) == (2, "", again)


def test_secret_of_a_key_is_not_kept(url: str, file: Path) -> None:
    key = run_command("keys", "create", "--scope", "read", "--name", "x", TASKRUNS_DATABASE_URL=url).stdout.strip()
    kept = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert key.split("_")[1].encode() in kept
    assert key.split("_", 2)[2].encode() not in kept


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["serve"], {"TASKRUNS_PORT": "many"}, "TASKRUNS_PORT is wrong: "),
        (["serve"], {"TASKRUNS_PORT": "70000"}, "TASKRUNS_PORT is wrong: "),
        (["serve"], {"TASKRUNS_SYNCHRONOUS": "OFF"}, "TASKRUNS_SYNCHRONOUS is wrong: "),
        (["serve"], {"TASKRUNS_REQUIRE_KEYS": "perhaps"}, "TASKRUNS_REQUIRE_KEYS is wrong: "),
        (["serve", "--workers", "0"], {}, "TASKRUNS_WORKERS is wrong: "),
        (["serve", "--workers", "2"], {}, "SQLite takes one process. Use PostgreSQL for more --workers."),
        (["migrate", "--database-url", "mysql://x"], {}, "TASKRUNS_DATABASE_URL should be sqlite:///"),
        (["migrate", "--database-url", "nonsense"], {}, "TASKRUNS_DATABASE_URL should be sqlite:///"),
        (["migrate", "--database-url", "sqlite://"], {}, "TASKRUNS_DATABASE_URL names no file."),
        (["migrate", "--database-url", "postgresql://u:p@127.0.0.1:1/x"], {}, "The database does not answer."),
        (["serve", "--database-url", "postgresql://u:p@127.0.0.1:1/x"], {}, "The database does not answer."),
        (["check", "--database-url", "postgresql://u:p@127.0.0.1:1/x"], {}, "The database does not answer."),
        (["keys", "list", "--database-url", "postgresql://u:p@127.0.0.1:1/x"], {}, "The database does not answer."),
        (["migrate", "--database-url", "sqlite:////proc/no/taskruns.db"], {}, ""),
        (["migrate", "--database-url", "sqlite:////dev/null"], {}, ""),
        (["openapi", "--output", "/proc/no/openapi.json"], {}, ""),
        (["keys", "create", "--scope", "read", "--name", ""], {}, "A name has 1 to 255 characters."),
        (["keys", "create", "--scope", "read", "--name", "x" * 256], {}, "A name has 1 to 255 characters."),
        (["keys", "revoke", "000000000000"], {}, "There is no key 000000000000 in force."),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_what_the_user_can_mend_is_one_line(
    url: str, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    done = run_command(*arguments, **({"TASKRUNS_DATABASE_URL": url} | environment))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"taskruns-service: " + re.escape(message) + r".*\n", done.stderr), done.stderr


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this is not a database, and it is longer than a page header would be." * 100)
    for command in ("migrate", "serve", "check"):
        done = run_command(command, TASKRUNS_DATABASE_URL=f"sqlite:///{path}")
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(r"taskruns-service: .*\n", done.stderr), done.stderr


def test_database_without_the_schema_is_refused(postgres_server: object, url: str) -> None:
    empty = postgres_server.create_database()  # type: ignore[attr-defined]
    for command in (["serve"], ["check"], ["keys", "list"]):
        done = run_command(*command, TASKRUNS_DATABASE_URL=empty)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(r"taskruns-service: .*migrate.*\n", done.stderr), done.stderr
    postgres_server.drop(empty)  # type: ignore[attr-defined]


def test_unknown_option_is_refused() -> None:
    for arguments in (["--colour"], ["serve", "--colour"], ["paint"], ["keys", "create", "--scope", "paint", "--name", "x"]):
        done = run_command(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Error: " in done.stderr
