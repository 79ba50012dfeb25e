"""Lets callers in, or not."""

import hmac
from typing import Any, Self

import redis

from convscope.services.common.access.call_quota import CallQuota
from convscope.services.common.access.caller import Caller, Callers
from convscope.services.common.errors import Unauthenticated
from convscope.services.common.settings import ServerSettings
from convscope.services.common.store import connect


class Gate:
    """Anybody may call a server that was told of no token; else only who brings one."""

    def __init__(self, *, token: str = "", callers: Callers | None = None, quota: CallQuota | None = None) -> None:
        """token: one for all. callers: those who have one of their own, and their quotas."""
        self._token = token
        self._callers = callers
        self._quota = quota

    @classmethod
    def of(cls, settings: ServerSettings) -> Self:
        """Raises OSError for a file that cannot be read."""
        if settings.callers_file is None:
            return cls(token=settings.secret())
        store: redis.Redis | None = connect(settings.redis_url) if settings.redis_url else None
        return cls(callers=Callers.read(settings.callers_file), quota=CallQuota(store))

    def identify(self, metadata: Any) -> Caller | None:
        """Who calls; None where all bring the same. Asks nobody, so that it may be called where no time is to be lost.
        Raises Unauthenticated."""
        if not self._token and self._callers is None:
            return None
        sent = dict(metadata or ()).get("authorization", "")
        sent = sent.decode(errors="replace") if isinstance(sent, bytes) else sent
        if self._callers is None:
            if not hmac.compare_digest(sent.encode(), f"Bearer {self._token}".encode()):
                raise Unauthenticated("the call brings no valid token")
            return None
        kind, _, token = sent.partition(" ")
        caller = self._callers.of_token(token) if kind == "Bearer" else None
        if caller is None:
            raise Unauthenticated("the call brings no valid token")
        return caller

    def take_call(self, caller: Caller | None) -> None:
        """Count a call of it; the store is asked. Raises TooManyCalls."""
        if caller is not None and self._quota is not None:
            self._quota.take(caller)
