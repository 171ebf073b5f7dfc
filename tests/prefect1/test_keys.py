"""Prefect 1 with an API key, at a service that asks for one."""

from pathlib import Path

from tests.prefect1.programs import Prefect1
from tests.service import call_command, served


def test_engine_works_with_a_key_and_is_told_when_it_has_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    assert call_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0
    made = call_command("keys", "create", "--scope", "write", "--name", "engine", TASKRUNS_DATABASE_URL=url)
    key = made.stdout.split()[0]
    with served(url, tmp_path, synchronous="NORMAL", require_keys="true", log_level="error") as service:
        prefect1 = Prefect1(service.url, tmp_path)
        told = prefect1.see(
            "running.run_wide", {"PREFECT__CLOUD__API_KEY": key}, folder=str(tmp_path / "kept"), width=3
        )
        assert (told["state"][0], told["values"]) == ("Success", [1, 2, 3])
        refused = prefect1.see("running.register_without_a_key")
        assert refused.startswith("AuthorizationError: ")
