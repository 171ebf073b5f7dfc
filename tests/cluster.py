"""A cluster of PostgreSQL: three machines with Patroni and etcd, and HAProxy in front of them."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.machines import Machine, networked
from tests.postgres import find_programs, free_port, unprivileged_user
from tests.waiting import eventually

PATRONI = Path(__file__).parents[1] / ".venv-patroni" / "bin" / "patroni"
"""Made by the Makefile."""
SIZE = 3
SECONDS = 120
"""What the cluster may take to become whole."""
PATRONI_SETTINGS = {
    "ttl": 20,  # the shortest that Patroni takes
    "loop_wait": 1,
    "retry_timeout": 3,
    "maximum_lag_on_failover": 100_000_000,
    "synchronous_mode": True,
    "primary_start_timeout": 0,
}
POSTGRES_SETTINGS = {
    "max_connections": 100,
    "wal_sender_timeout": "5s",  # a standby that is frozen holds up commits no longer
    "wal_receiver_timeout": "5s",
    "log_line_prefix": "%n ",  # seconds since 1970
    "unix_socket_directories": "",
    "synchronous_commit": "on",
}
HAPROXY = """
global
    maxconn 1000
defaults
    mode    tcp
    retries 0
    timeout connect 1s
    timeout check   1s
    timeout client  1h
    timeout server  1h
    option  httpchk
    default-server inter 250ms fall 2 rise 1 port 8008 on-marked-down shutdown-sessions
"""
HAPROXY_ROLE = """
listen {role}
    bind 127.0.0.1:{port}
    http-check send meth OPTIONS uri {check}
    http-check expect status 200
"""
ROLE_CHECKS = {"primary": "/primary", "replica": "/replica?lag=16MB"}
"""What Patroni is asked; without a limit of the lag, a standby that receives nothing would be a replica."""


class Cluster:
    """A primary and two standbys, one of which is synchronous."""

    def __init__(self, machines: list[Machine], folder: Path) -> None:
        self.machines = machines
        self._folder = folder
        self._password = secrets.token_hex(16)
        self._ports = {role: free_port() for role in ROLE_CHECKS}
        self.is_synchronous = True

    def url(self, role: str) -> str:
        """The URL of the database behind HAProxy: at the `primary`, or at a `replica`."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._ports[role]}/postgres"

    def url_at(self, machine: Machine) -> str:
        """The URL of the database of one machine."""
        return f"postgresql://postgres:{self._password}@{machine.address}:5432/postgres"

    def start(self, machine: Machine) -> None:
        """Starts etcd and Patroni on a machine, which starts PostgreSQL."""
        client, peer = f"http://{machine.address}:2379", f"http://{machine.address}:2380"
        members = ",".join(f"{other.name}=http://{other.address}:2380" for other in self.machines)
        machine.start(
            *(find_etcd(), "--name", machine.name, "--data-dir", str(machine.folder / "etcd")),
            *("--initial-cluster", members, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--listen-client-urls", client, "--advertise-client-urls", client, "--logger", "zap"),
        )
        file = machine.folder / "patroni.json"  # JSON is YAML
        file.write_text(json.dumps(self._configuration(machine)))
        if user := unprivileged_user():
            shutil.chown(file, user)
        machine.start(PATRONI, file)

    def _configuration(self, machine: Machine) -> dict[str, Any]:
        account = {"username": "postgres", "password": self._password}
        return {
            "scope": "taskruns",
            "name": machine.name,
            "restapi": {"listen": f"{machine.address}:8008", "connect_address": f"{machine.address}:8008"},
            "etcd3": {"hosts": [f"{other.address}:2379" for other in self.machines]},
            "bootstrap": {
                "dcs": PATRONI_SETTINGS
                | {"postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": POSTGRES_SETTINGS}},
                "initdb": [{"encoding": "UTF8"}, "no-locale", "data-checksums"],
            },
            "postgresql": {
                "listen": f"{machine.address}:5432",
                "connect_address": f"{machine.address}:5432",
                "data_dir": str(machine.folder / "data"),
                "bin_dir": str(find_programs()),
                "pgpass": str(machine.folder / "pgpass"),
                "basebackup": {"checkpoint": "fast"},
                "pg_hba": ["host all all all scram-sha-256", "host replication all all scram-sha-256"],
                "authentication": {"superuser": account, "replication": account, "rewind": account},
            },
        }

    def start_haproxy(self) -> subprocess.Popen[bytes]:
        """Starts HAProxy, which leads to the primary on one port and to the standbys on another."""
        servers = "".join(f"    server {machine.name} {machine.address}:5432 check\n" for machine in self.machines)
        roles = [
            HAPROXY_ROLE.format(role=role, port=port, check=ROLE_CHECKS[role]) + servers
            for role, port in self._ports.items()
        ]
        file = self._folder / "haproxy.cfg"
        file.write_text(HAPROXY + "".join(roles))
        with (self._folder / "haproxy.log").open("wb") as log:
            return subprocess.Popen(
                [find_haproxy(), "-f", file, "-db"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def members(self, seen_by: Sequence[Machine] = ()) -> dict[str, dict[str, Any]]:
        """What Patroni says on one of the machines about each member, by its name; nothing while none answers."""
        for machine in seen_by or self.machines:
            try:
                answer = httpx.get(f"http://{machine.address}:8008/cluster", timeout=1)
                return {member["name"]: member for member in answer.json()["members"]}
            except (httpx.HTTPError, ValueError):
                continue
        return {}

    def with_role(self, role: str, seen_by: Sequence[Machine] = ()) -> Machine | None:
        """The machine that has a role as the machines see it: `leader`, `sync_standby` or `replica`."""
        members = self.members(seen_by)
        return next((machine for machine in self.machines if members.get(machine.name, {}).get("role") == role), None)

    def leader(self) -> Machine:
        """The machine of the primary."""
        leader = self.with_role("leader")
        assert leader is not None
        return leader

    def others(self, machine: Machine) -> list[Machine]:
        """The machines other than one."""
        return [other for other in self.machines if other is not machine]

    def standbys(self) -> list[Machine]:
        """The machines of the standbys."""
        return self.others(self.leader())

    def is_whole(self) -> bool:
        """Whether all machines see one primary, a standby that has all, and another that receives what happens.

        A machine that was away sees itself as the primary for a moment.
        """
        views = [self.members([machine]) for machine in self.machines]
        roles = sorted(["leader", "replica", "sync_standby" if self.is_synchronous else "replica"])
        leaders = {name for view in views for name, member in view.items() if member["role"] == "leader"}
        return len(leaders) == 1 and all(
            sorted(member["role"] for member in view.values()) == roles and all(map(_has_all, view.values()))
            for view in views
        )

    def wait(self) -> None:
        """Waits until the cluster is whole."""
        eventually(self.is_whole, SECONDS)

    def configure(self, settings: dict[str, Any]) -> None:
        """Changes settings of Patroni, and of PostgreSQL under `postgresql`, on all machines."""
        self._request("PATCH", "config", settings)
        self.is_synchronous = settings.get("synchronous_mode", self.is_synchronous)

    def switch_over(self) -> None:
        """Makes a standby that has all the primary, as for maintenance; returns when that is done."""
        self._request("POST", "switchover", {"leader": self.leader().name})

    def reinitialize(self, machine: Machine) -> None:
        """Makes a machine a standby again, with a new copy of the primary."""
        self._request("POST", "reinitialize", {"force": True}, machine)

    def _request(self, method: str, path: str, body: dict[str, Any], machine: Machine | None = None) -> None:
        address = (machine or self.leader()).address
        answer = httpx.request(method, f"http://{address}:8008/{path}", json=body, timeout=60)
        assert answer.is_success, answer.text


def _has_all(member: dict[str, Any]) -> bool:
    expected = "running" if member["role"] == "leader" else "streaming"
    return bool(member["state"] == expected and not member.get("lag"))


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Runs a cluster until the block ends.

    Raises RuntimeError with the package to install where a program is missing.
    """
    for find in (find_etcd, find_haproxy, find_patroni):
        find()
    with tempfile.TemporaryDirectory(prefix="taskruns-cluster-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with networked(folder, SIZE) as machines:
            cluster = Cluster(machines, folder)
            for machine in machines:
                cluster.start(machine)
            haproxy = cluster.start_haproxy()
            try:
                try:
                    eventually(lambda: len(cluster.members()) == SIZE and cluster.is_whole(), SECONDS)
                except AssertionError as error:
                    raise RuntimeError("".join(machine.log()[-4000:] for machine in machines)) from error
                yield cluster
            finally:
                haproxy.terminate()
                haproxy.wait()


def find_etcd() -> str:
    """Returns the path of etcd; raises RuntimeError where there is none."""
    return _find("etcd", "etcd-server")


def find_haproxy() -> str:
    """Returns the path of HAProxy; raises RuntimeError where there is none."""
    return _find("haproxy", "haproxy")


def find_patroni() -> Path:
    """Returns the path of Patroni; raises RuntimeError where there is none."""
    if not PATRONI.exists():
        raise RuntimeError("The tests need Patroni in .venv-patroni, which `make faults` makes.")
    return PATRONI


def _find(name: str, package: str) -> str:
    program = shutil.which(name, path=os.pathsep.join([*os.get_exec_path(), "/usr/sbin"]))
    if program is None:
        raise RuntimeError(f"The tests need {name}. Install it, on Debian with: apt-get install {package}")
    return program
