"""Real storages for the tests: S3, Google Cloud Storage and Azure Blob Storage, emulated on this machine."""

import base64
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from tests.postgres import free_port

BUCKET = "flows"
AZURE = (pytest.mark.slow, pytest.mark.xdist_group("azure"))
"""Marks tests that need Azure's emulator: it takes seconds to install and start, so one worker runs them all."""
NPM = Path(__file__).parents[1] / "npm"
ACCOUNT = "taskruns"
ACCOUNT_KEY = base64.b64encode(b"the key of an emulator").decode()


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    """Yields the environment with which a new storage with one bucket is found."""
    from botocore.session import Session
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
        client = Session().create_client(
            "s3",
            endpoint_url=url,
            region_name=keys["AWS_DEFAULT_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield {"AWS_ENDPOINT_URL": url, **keys}
    finally:
        server.stop()


@contextmanager
def gcs() -> Iterator[dict[str, str]]:
    """Yields the environment with which a new storage with one bucket is found."""
    from gcp_storage_emulator.server import create_server

    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    try:
        yield {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}
    finally:
        server.stop()


@contextmanager
def azure(folder: Path) -> Iterator[dict[str, str]]:
    """Yields the environment with which a new storage with one container is found; it runs in a folder of its own."""
    from azure.storage.blob import BlobServiceClient

    options = ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--blobPort", "0"]
    with subprocess.Popen(
        [_azurite(), *options],
        cwd=folder,
        env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        try:
            output = ""
            while not (listening := re.search(r"listens on (http://\S+)", output)):
                line = process.stdout.readline()
                assert line, f"Azurite did not start: {output}"
                output += line
            connection = (
                f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
                f"BlobEndpoint={listening[1]}/{ACCOUNT};"
            )
            with BlobServiceClient.from_connection_string(connection) as client:
                client.create_container(BUCKET)
            yield {"AZURE_STORAGE_CONNECTION_STRING": connection}
        finally:
            process.terminate()


def _azurite() -> Path:
    """Returns the program, installed from package-lock.json when that is newer than what is there."""
    if not (npm := shutil.which("npm")):
        reason = "Node.js with npm is not on the PATH, so results are not tested with Azure's emulator."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    installed = NPM / "node_modules" / ".package-lock.json"
    with FileLock(NPM / ".install.lock"):
        if not installed.exists() or installed.stat().st_mtime < (NPM / "package-lock.json").stat().st_mtime:
            done = subprocess.run([npm, "ci"], check=False, cwd=NPM, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return NPM / "node_modules" / ".bin" / "azurite-blob"
