"""Load by wrk on a service of this machine: requests per second, and nothing but good answers."""

import json
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

CONNECTIONS = 16

# The ids are dealt in turn, so that neighbours belong to one flow run, as when a flow run reports what it did.
_SCRIPT = """
local ids = {{}}
for line in io.lines("{ids}") do ids[#ids + 1] = line end
local place = 0
local state = '"type":"Success","message":"Task run succeeded.",' ..
  '"result":{{"type":"LocalResult","dir":"/data/results","location":"8e44/name.json"}}}}'
local headers = {{["Content-Type"] = "application/json"}}
local function next_id()
  place = place % #ids + 1
  return ids[place]
end
request = function()
  if {items} == 1 then return wrk.format("POST", "/task-runs/" .. next_id() .. "/states", headers, "{{" .. state) end
  local items = {{}}
  for item = 1, {items} do items[item] = '{{"task_run_id":"' .. next_id() .. '",' .. state end
  return wrk.format("POST", "/task-runs/states", headers, '{{"items":[' .. table.concat(items, ",") .. "]}}")
end
"""


def require_wrk() -> str:
    """The path of wrk; ends the program with what to do when it is missing."""
    path = shutil.which("wrk")
    if path is None:
        raise SystemExit("make bench needs wrk, a load generator: install it (Debian: apt-get install wrk).")
    return path


class Rate(list[float]):
    """The figure of several runs, such as requests per second."""

    @property
    def median(self) -> float:
        """What to quote."""
        return statistics.median(self)

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 else 2
        return f"{self.median:,.{digits}f} ({min(self):,.{digits}f} to {max(self):,.{digits}f})"


def read(url: str, seconds: float) -> float:
    """Requests per second of GET."""
    return _run([url], seconds)


def report(url: str, ids: Sequence[str], items: int, seconds: float) -> float:
    """State transitions per second, `items` in a request."""
    with tempfile.TemporaryDirectory() as name:
        known, script = Path(name) / "ids", Path(name) / "report.lua"
        known.write_text("\n".join(ids))
        script.write_text(_SCRIPT.format(ids=known, items=items))
        return items * _run(["--script", str(script), url], seconds, CONNECTIONS if items == 1 else 4)


def _run(arguments: list[str], seconds: float, connections: int = CONNECTIONS) -> float:
    command = [require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(json.dumps(output))
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found, output
    return float(found.group(1))
