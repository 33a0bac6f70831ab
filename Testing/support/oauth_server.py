"""An OAuth2 server of our own with QIDO-RS behind it, for every way of signing in. Test code only."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from Testing.support.web_server import Answer, Request, WebServer, json_answer, study_json

__all__ = ["OAuthServer"]


_ERRORS = {"waiting": "authorization_pending", "refused": "access_denied", "expired": "expired_token"}


class OAuthServer:
    """QIDO-RS that wants a token, and the addresses that give it.

    ``token_answers`` are given in order, the last one again and again; without any a new token is given each time.
    Where ``person`` is given, the token for a code hangs on it: ``waiting``, ``signed in``, ``refused`` or ``expired``.
    """

    def __init__(
        self, *token_answers: Answer, valid: Callable[[str], bool] = lambda token: True, person: str = ""
    ) -> None:
        self.given = 0
        self.person = person
        self.valid = valid
        self._answers = (
            itertools.chain(token_answers[:-1], itertools.repeat(token_answers[-1])) if token_answers else None
        )
        self.server = WebServer(self._handle)

    def __enter__(self) -> OAuthServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    @property
    def settings(self) -> dict[str, str]:
        """Fields of the server's settings."""
        url = self.server.url
        return {"token_url": f"{url}/token", "device_url": f"{url}/device", "client_id": "browser", "scope": "read"}

    def forms(self, path: str = "/token") -> list[dict[str, str]]:
        """Forms that came to an address."""
        return [request.form for request in self.server.seen(path)]

    def authorizations(self) -> list[str]:
        """What the requests for studies were signed with."""
        return [request.headers.get("authorization", "") for request in self.server.seen("/studies")]

    def _handle(self, request: Request) -> Answer:
        if request.path == "/token":
            if self._answers is not None:
                return next(self._answers)
            if self.person in _ERRORS:
                return json_answer({"error": _ERRORS[self.person]}, 400)
            self.given += 1
            return json_answer({"access_token": f"access-{self.given}", "expires_in": 3600})
        if request.path == "/device":
            return json_answer(
                {
                    "device_code": "device-c0de",
                    "user_code": "ABCD-EFGH",
                    "verification_uri": "https://sign.example.org/device",
                    "verification_uri_complete": "https://sign.example.org/device?user_code=ABCD-EFGH",
                    "expires_in": 600,
                    "interval": 0.05,
                }
            )
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return json_answer([study_json("1.2")]) if token and self.valid(token) else Answer(401)
