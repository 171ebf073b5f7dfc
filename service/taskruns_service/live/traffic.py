"""Traffic: what the streams of one process have done, for the log and for how often the ticker looks."""

from msgspec import Struct
from msgspec.structs import asdict

DELIVERY_SECONDS = 15e-6
READ_SECONDS = 500e-6
BYTE_SECONDS = 1e-9
"""How long the event loop is busy with something sent, with a query and with each byte; see docs/benchmarks.md."""


class Traffic(Struct):
    """How often something was done since the process started."""

    ticks: int = 0
    reads: int = 0
    deliveries: int = 0
    bytes: int = 0
    resyncs: int = 0
    stalls: int = 0

    @property
    def cost(self) -> float:
        """The seconds for which the event loop was busy with it, about."""
        return self.deliveries * DELIVERY_SECONDS + self.reads * READ_SECONDS + self.bytes * BYTE_SECONDS

    def since(self, past: "Traffic") -> dict[str, int]:
        """What was done since, by name."""
        before = asdict(past)
        return {name: count - before[name] for name, count in asdict(self).items()}
