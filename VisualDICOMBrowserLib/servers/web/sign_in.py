"""Signing in to a web server: none, basic, a given token, OAuth2 client credentials and device code.

RFC 7617, RFC 6750, RFC 6749 4.4 and 6, RFC 8628. A refresh token is kept by the key store, access tokens in memory
only. No secret is in an error, a log or a repr. One thread per `SignIn`; tokens are shared through `TokenCache`.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote_plus

from VisualDICOMBrowserLib.errors import JobCancelled, NetworkError, PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.web.body import WebAnswer
from VisualDICOMBrowserLib.servers.web.faults import not_dicomweb, sign_in_fault, status_fault
from VisualDICOMBrowserLib.servers.web.tokens import AccessToken

__all__ = ["SignIn"]

_MOST_ANSWER_BYTES = 256 * 1024
_MARGIN_S = 60.0
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL_S = 5.0
_SLOWER_S = 5.0
_LONGEST_INTERVAL_S = 60.0
_LONGEST_SIGN_IN_S = 1800.0


class PostForm(Protocol):
    """Sends a form; `WebSession.post_form`."""

    def __call__(self, url: str, fields: Mapping[str, str], authorization: str = "") -> WebAnswer:
        """The answer, to be closed."""
        ...


class SignIn:
    """`SignedIn` by the server's settings and secrets.

    Parameters
    ----------
    config : ServerConfig
        How to sign in.
    services : DriverServices
        Secrets, and the way to tell a person. Access tokens are shared by drivers with the same services.
    """

    def __init__(self, config: ServerConfig, services: DriverServices) -> None:
        self._config = config
        self._services = services
        self._tokens = services.tokens
        self._key = (config.name, config.auth, config.token_url, config.client_id, config.scope)
        self.post: PostForm | None = None

    def header(self, control: JobControl) -> str:
        """Value of the Authorization header, empty for none; waits for a person where one has to sign in.

        Raises
        ------
        PeerError
            Signing in failed, code ``sign_in``.
        """
        auth = self._config.auth
        if auth == "none":
            return ""
        if auth == "basic":
            return basic(self._config.user, self._secret("password"))
        if auth == "bearer":
            token = self._secret("token")
            if not token:
                raise sign_in_fault(self._config, "no token is stored for it")
            return f"Bearer {token}"
        if not (value := self._tokens.get(self._key)):
            with self._tokens.signing_in(self._key, control):
                value = self._tokens.get(self._key) or self._sign_in(control)
        return f"Bearer {value}"

    def renewed(self, rejected: str, control: JobControl) -> bool:
        """Whether a token was rejected that can be had anew."""
        if self._config.auth not in ("client_credentials", "device_code"):
            return False
        self._tokens.reject(self._key, rejected.removeprefix("Bearer "))
        return True

    def _sign_in(self, control: JobControl) -> str:
        if self._config.auth == "client_credentials":
            answer = self._ask_token({"grant_type": "client_credentials", "scope": self._config.scope})
            return self._kept(answer)
        refresh_token = self._secret("refresh_token")
        if refresh_token:
            answer = self._ask_token({"grant_type": "refresh_token", "refresh_token": refresh_token})
            if "access_token" in answer:
                return self._kept(answer)
            # It was used up or taken back; a person has to sign in again.
            self._put("refresh_token", "")
        return self._kept(_DeviceSignIn(self._config, self._services, self._form, self._ask_token).run(control))

    def _kept(self, answer: dict[str, Any]) -> str:
        value = answer.get("access_token")
        if not isinstance(value, str) or not value:
            raise sign_in_fault(self._config, _reason(answer))
        until = None
        seconds = _number(answer.get("expires_in"))
        if seconds is not None:
            until = self._tokens.clock() + max(seconds - _MARGIN_S, seconds / 2)
        self._tokens.put(self._key, AccessToken(value, until))
        refresh_token = answer.get("refresh_token")
        if self._config.auth == "device_code" and isinstance(refresh_token, str) and refresh_token:
            self._put("refresh_token", refresh_token)
        return value

    def _ask_token(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Answer of the token address, with ``error`` where it refuses (RFC 6749 5.2)."""
        secret = self._secret("client_secret")
        everything = {**fields, "client_id": self._config.client_id, "client_secret": secret}
        answer = self._form(self._config.token_url, everything)
        if answer.get("error") == "invalid_client" and secret:
            # Some servers take the client's secret in the header only (RFC 6749 2.3.1).
            authorization = basic(quote_plus(self._config.client_id), quote_plus(secret))
            answer = self._form(self._config.token_url, dict(fields), authorization)
        return answer

    def _form(self, url: str, fields: Mapping[str, str], authorization: str = "") -> dict[str, Any]:
        if self.post is None:
            return {}
        answer = self.post(url, {key: value for key, value in fields.items() if value}, authorization)
        try:
            content = answer.content(_MOST_ANSWER_BYTES)
        finally:
            answer.close()
        try:
            values = json.loads(content)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict) and (answer.status == 200 or "error" in values):
            return values
        if answer.status in (400, 401, 403, 404):
            raise sign_in_fault(self._config, f"the address for signing in answered with the status {answer.status}")
        if answer.status >= 400:
            raise status_fault(self._config, answer.status, answer.headers)
        raise not_dicomweb(self._config, "something else than a token")

    def _secret(self, field: str) -> str:
        secrets = self._services.secrets
        return secrets.get(self._config.name).get(field, "") if secrets is not None else ""

    def _put(self, field: str, value: str) -> None:
        if self._services.secrets is not None:
            self._services.secrets.put(self._config.name, field, value)


class _DeviceSignIn:
    """A person signs in with a browser, anywhere, while we ask now and then whether it is done (RFC 8628)."""

    def __init__(
        self,
        config: ServerConfig,
        services: DriverServices,
        form: Callable[[str, Mapping[str, str]], dict[str, Any]],
        ask_token: Callable[[Mapping[str, str]], dict[str, Any]],
    ) -> None:
        self._config = config
        self._services = services
        self._form = form
        self._ask_token = ask_token
        self._ending = "failed"
        self._told = False

    def run(self, control: JobControl) -> dict[str, Any]:
        """The token answer; how it ended is told as ``sign_in_ended``, once a person was asked.

        Raises
        ------
        PeerError
            Nobody signed in in time, or it was refused (code ``sign_in``).
        JobCancelled
            The job was given up.
        """
        try:
            answer = self._run(control)
        except VisualDICOMError as fault:
            self._tell_end("cancelled" if isinstance(fault, JobCancelled) else self._ending, str(fault))
            raise
        if isinstance(answer.get("access_token"), str):
            self._tell_end("done")
        else:
            self._tell_end("refused", sign_in_fault(self._config, _reason(answer)).message)
        return answer

    def _run(self, control: JobControl) -> dict[str, Any]:
        begun = self._form(self._config.device_url, {"client_id": self._config.client_id, "scope": self._config.scope})
        code = begun.get("device_code")
        url = begun.get("verification_uri") or begun.get("verification_url")
        if not (isinstance(code, str) and isinstance(url, str) and url.startswith(("https://", "http://"))):
            raise sign_in_fault(self._config, _reason(begun))
        seconds = min(_number(begun.get("expires_in")) or _LONGEST_SIGN_IN_S, _LONGEST_SIGN_IN_S)
        self._tell(control, begun, url, seconds)
        cancelled = threading.Event()
        control.on_cancel(cancelled.set)
        interval = _interval(begun)
        waited = 0.0
        while waited < seconds:
            cancelled.wait(interval)
            control.raise_if_cancelled()
            waited += interval
            answer = self._asked(code)
            error = answer.get("error")
            if error == "slow_down":
                interval = min(interval + _SLOWER_S, _LONGEST_INTERVAL_S)
            elif error == "expired_token":
                break
            elif error != "authorization_pending":
                return answer
        self._ending = "expired"
        raise sign_in_fault(self._config, "nobody signed in within the time for it")

    def _asked(self, code: str) -> dict[str, Any]:
        try:
            return self._ask_token({"grant_type": _DEVICE_GRANT, "device_code": code})
        except NetworkError as fault:
            if fault.code in ("timeout", "connection_lost"):
                # RFC 8628 3.5: ask more slowly when the connection fails.
                return {"error": "slow_down"}
            raise
        except PeerError as fault:
            if fault.code in ("http_429", "http_503"):
                return {"error": "slow_down"}
            raise

    def _tell(self, control: JobControl, begun: Mapping[str, Any], url: str, seconds: float) -> None:
        user_code = str(begun.get("user_code", ""))[:64]
        complete = begun.get("verification_uri_complete")
        where = complete if isinstance(complete, str) and complete.startswith(("https://", "http://")) else url
        control.log(f"Sign-in to {self._config.name} is needed: open {url} and enter the code {user_code}.")
        if self._services.tell is not None:
            self._told = True
            self._services.tell(
                "sign_in_needed",
                server=self._config.name,
                url=where,
                address=url,
                code=user_code,
                expires_in=seconds,
                job_id=str(getattr(control, "job_id", "")),
            )

    def _tell_end(self, outcome: str, message: str = "") -> None:
        if self._told and self._services.tell is not None:
            self._services.tell("sign_in_ended", server=self._config.name, outcome=outcome, message=message)


def basic(user: str, password: str) -> str:
    """Authorization header of RFC 7617, in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _interval(begun: Mapping[str, Any]) -> float:
    told = _number(begun.get("interval"))
    return min(told, _LONGEST_INTERVAL_S) if told else _INTERVAL_S


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None


def _reason(answer: Mapping[str, Any]) -> str:
    """OAuth2's error code in words; its free text may hold anything and is not shown."""
    words = {
        "access_denied": "it was not allowed",
        "invalid_client": "the client ID or its secret is not accepted",
        "invalid_grant": "the sign-in is not valid any more",
        "invalid_scope": "the scope is not accepted",
        "unauthorized_client": "this client may not sign in in this way",
        "unsupported_grant_type": "the server does not offer this way to sign in",
    }
    error = answer.get("error")
    return words.get(error if isinstance(error, str) else "", "the server gave no token")
