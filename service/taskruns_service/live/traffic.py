"""Traffic: the counters of the streams of one process, for the log and for the pace of the ticker."""

from msgspec import Struct
from msgspec.structs import asdict

DELIVERY_SECONDS = 15e-6
READ_SECONDS = 500e-6
BYTE_SECONDS = 1e-9
"""How long a delivery, a query and a byte keep the event loop busy; see docs/benchmarks.md."""


class Traffic(Struct):
    """Counters since the process started."""

    ticks: int = 0
    reads: int = 0
    deliveries: int = 0
    bytes: int = 0
    resyncs: int = 0
    stalls: int = 0

    @property
    def cost(self) -> float:
        """The approximate seconds for which the traffic kept the event loop busy."""
        return self.deliveries * DELIVERY_SECONDS + self.reads * READ_SECONDS + self.bytes * BYTE_SECONDS

    def since(self, past: "Traffic") -> dict[str, int]:
        """The increase of each counter since an earlier state, by name."""
        before = asdict(past)
        return {name: count - before[name] for name, count in asdict(self).items()}
