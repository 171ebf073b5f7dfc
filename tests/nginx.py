"""nginx as Debian packages it, in front of the service, with its default buffering."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.postgres import free_port
from tests.service import Served
from tests.waiting import eventually

DEBIAN_FOLDER = "/usr/sbin"
"""Where Debian has nginx, which is off the PATH of most users."""
TEMPORARY_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ }}
http {{
    access_log off;
    {temporary_folders}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {url};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            {directives}
        }}
    }}
}}
"""


def find_nginx() -> str:
    """Returns the path of nginx; raises RuntimeError with the package to install where there is none."""
    program = shutil.which("nginx", path=os.pathsep.join([*os.get_exec_path(), DEBIAN_FOLDER]))
    if program is None:
        raise RuntimeError("The tests need nginx. Install it, on Debian with: apt-get install nginx-light")
    return program


@contextmanager
def behind_nginx(service: Served, folder: Path, *directives: str) -> Iterator[Served]:
    """Puts nginx in front of a service, with its defaults and these directives; yields the service as seen there."""
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            port=port,
            url=service.url,
            temporary_folders=" ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY_FOLDERS),
            directives=" ".join(f"{directive};" for directive in directives),
        )
    )
    log = folder / "nginx.log"
    process = subprocess.Popen([find_nginx(), "-c", configuration, "-e", log], stdin=subprocess.DEVNULL)
    proxied = Served(service.process, f"http://127.0.0.1:{port}", folder, service.database_url)
    try:
        eventually(lambda: process.poll() is not None or _answers(proxied))
        assert process.poll() is None, log.read_text()
        yield proxied
    finally:
        process.terminate()
        process.wait()


def _answers(service: Served) -> bool:
    try:
        with service.client() as client:
            return client.get("/health").is_success
    except httpx.TransportError:
        return False
