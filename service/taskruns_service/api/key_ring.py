"""The key ring: the API keys that one process knows, for a few seconds each."""

import hmac
import time
from collections import OrderedDict

from taskruns_service.commands.keys import PREFIX, Key, find_key, hash_secret
from taskruns_service.storage.database import Database

TRUST_SECONDS = 3.0
MAX_KEYS = 10_000


class KeyRing:
    """What one process knows of the keys. It asks again after three seconds, so that a revoked key soon stops."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, tuple[float, Key | None]] = OrderedDict()

    async def scope_of(self, token: str) -> str | None:
        """The scope of a token, None if it is not that of a key in force."""
        prefix, _, rest = token.partition("_")
        identifier, _, secret = rest.partition("_")
        if (
            prefix != PREFIX
            or not secret
            or not (identifier.isascii() and identifier.isalnum())
            or len(identifier) > 32
        ):
            return None
        known = await self._find(identifier)
        if known is None or not hmac.compare_digest(known.secret_hash, hash_secret(secret)):
            return None
        return known.scope

    async def _find(self, identifier: str) -> Key | None:
        now = time.monotonic()
        if (trusted := self._known.get(identifier)) is not None and now - trusted[0] < TRUST_SECONDS:
            return trusted[1]
        known = await self._database.look_up(find_key, identifier)
        self._known[identifier] = (now, known)
        self._known.move_to_end(identifier)
        if len(self._known) > MAX_KEYS:
            self._known.popitem(last=False)
        return known
