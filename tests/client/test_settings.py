"""What the environment may say to the client, and that it is asked late."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from taskruns import settings
from taskruns.errors import InvalidSetting

FILE = Path(settings.__file__)


def test_defaults_are_what_the_documentation_says() -> None:
    assert settings.service_url() == "http://127.0.0.1:4200"
    assert settings.api_key() is None
    assert (settings.timeout(), settings.max_retries(), settings.max_answer_bytes()) == (30, 2, 100_000_000)
    assert (settings.max_log_lines(), settings.max_log_bytes()) == (10_000, 1_000_000)
    assert settings.home() == Path.home() / ".taskruns"
    assert settings.results_folder() == Path.home() / ".taskruns" / "results"
    assert settings.outbox_folder() == Path.home() / ".taskruns" / "outbox"
    assert settings.trusted_results() == [str(Path.home() / ".taskruns" / "results")]


def test_environment_goes_before_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASKRUNS_URL", "https://runs.example")
    monkeypatch.setenv("TASKRUNS_API_KEY", "trk_1")
    monkeypatch.setenv("TASKRUNS_TIMEOUT", "1.5")
    monkeypatch.setenv("TASKRUNS_MAX_RETRIES", "0")
    monkeypatch.setenv("TASKRUNS_MAX_ANSWER_BYTES", "1000")
    monkeypatch.setenv("TASKRUNS_MAX_LOG_LINES", "5")
    monkeypatch.setenv("TASKRUNS_MAX_LOG_BYTES", "0")
    monkeypatch.setenv("TASKRUNS_HOME", str(tmp_path))
    assert (settings.max_log_lines(), settings.max_log_bytes()) == (5, 0)
    assert (settings.service_url(), settings.api_key()) == ("https://runs.example", "trk_1")
    assert (settings.timeout(), settings.max_retries(), settings.max_answer_bytes()) == (1.5, 0, 1000)
    assert settings.home() == tmp_path
    assert settings.results_folder() == tmp_path / "results"
    assert settings.outbox_folder() == tmp_path / "outbox"
    assert settings.trusted_results() == [str(tmp_path / "results")]


@pytest.mark.parametrize(
    "name", ["URL", "API_KEY", "TIMEOUT", "MAX_RETRIES", "MAX_ANSWER_BYTES", "MAX_LOG_LINES", "MAX_LOG_BYTES", "HOME"]
)
def test_empty_variable_is_no_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TASKRUNS_{name}", "")
    test_defaults_are_what_the_documentation_says()


def test_home_is_a_whole_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So that it stays the same when the program changes its working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKRUNS_HOME", "runs")
    assert settings.home() == tmp_path / "runs"


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "soon", "1,5", "30s"])
def test_timeout_is_a_number_above_nothing(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_TIMEOUT", given)
    with pytest.raises(InvalidSetting) as raised:
        settings.timeout()
    assert str(raised.value) == f"TASKRUNS_TIMEOUT is '{given}', but must be a number of seconds greater than 0."


@pytest.mark.parametrize("given", ["-1", "2.5", "inf", "many"])
def test_retries_are_a_whole_number(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_MAX_RETRIES", given)
    with pytest.raises(InvalidSetting) as raised:
        settings.max_retries()
    assert str(raised.value) == f"TASKRUNS_MAX_RETRIES is '{given}', but must be a whole number of 0 or more."


@pytest.mark.parametrize("given", ["0", "-1", "1e6", "100MB"])
def test_size_of_an_answer_is_a_whole_number(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_MAX_ANSWER_BYTES", given)
    with pytest.raises(InvalidSetting) as raised:
        settings.max_answer_bytes()
    assert str(raised.value) == f"TASKRUNS_MAX_ANSWER_BYTES is '{given}', but must be a whole number greater than 0."


def test_trusted_results_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_TRUSTED_RESULTS", "/results, s3://flows/ ,")
    assert settings.trusted_results() == ["/results", "s3://flows/"]


def test_nothing_is_trusted_where_the_environment_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_TRUSTED_RESULTS", "")
    assert settings.trusted_results() == []


def test_only_settings_reads_variables_of_ours() -> None:
    modules = [file for file in FILE.parent.rglob("*.py") if file != FILE]
    assert [file.name for file in modules if re.search(r"\b(environ|getenv)\b.*TASKRUNS_", file.read_text())] == []


def test_environment_is_not_read_at_import() -> None:
    wrong = dict.fromkeys(("TASKRUNS_URL", "TASKRUNS_TIMEOUT", "TASKRUNS_MAX_RETRIES", "TASKRUNS_API_KEY"), "\N{COW}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import taskruns.client"],
        check=False,
        env=wrong,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
