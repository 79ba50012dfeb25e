"""Lets callers in, or not."""

import hmac
from collections.abc import Callable
from typing import Any, Self

from convscope.services.common.access.call_quota import CallQuota
from convscope.services.common.access.caller import Caller, Callers
from convscope.services.common.errors import Unauthenticated
from convscope.services.common.reloaded import Reloaded
from convscope.services.common.settings import ServerSettings
from convscope.services.common.store import connect


class Gate:
    """Anybody may call a server that was told of no token; else only who brings one."""

    def __init__(
        self,
        *,
        token: Callable[[], str] = str,
        callers: Callable[[], Callers] | None = None,
        quota: CallQuota | None = None,
    ) -> None:
        """token: gives one for all, as it is now. callers: gives those who have one of their own, and their quotas."""
        self._token = token
        self._callers = callers
        self._quota = quota

    @classmethod
    def of(cls, settings: ServerSettings) -> Self:
        """Raises OSError for a file that cannot be read now; one that changes is read again."""
        callers_file, token_file = settings.callers_file, settings.token_file
        if callers_file is not None:
            quota = CallQuota(connect(settings.store()) if settings.has_store else None)
            return cls(callers=Reloaded("callers", [callers_file], lambda: Callers.read(callers_file)), quota=quota)
        if token_file is not None:
            return cls(token=Reloaded("token", [token_file], settings.secret))
        return cls(token=settings.secret)

    def identify(self, metadata: Any) -> Caller | None:
        """Who calls; None where all bring the same. Asks nobody, so that it may be called where no time is to be lost.
        Raises Unauthenticated."""
        sent = dict(metadata or ()).get("authorization", "")
        sent = sent.decode(errors="replace") if isinstance(sent, bytes) else sent
        if self._callers is None:
            wanted = self._token()
            if wanted and not hmac.compare_digest(sent.encode(), f"Bearer {wanted}".encode()):
                raise Unauthenticated("the call brings no valid token")
            return None
        kind, _, token = sent.partition(" ")
        caller = self._callers().of_token(token) if kind == "Bearer" else None
        if caller is None:
            raise Unauthenticated("the call brings no valid token")
        return caller

    def take_call(self, caller: Caller | None) -> None:
        """Count a call of it; the store is asked. Raises TooManyCalls."""
        if caller is not None and self._quota is not None:
            self._quota.take(caller)
