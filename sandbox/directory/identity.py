"""App Service's managed identity and its bearer tokens (Microsoft Learn, Use managed identities: REST reference)."""

import base64
import functools
import hashlib
import hmac
import json
import time
from typing import Any

from aiohttp import web

from sandbox.directory.rules import Refusal
from sandbox.directory.state import World, identity_of

LIFETIME = 24 * 3600
AUDIENCES = {"https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us"}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common"'}


def token(world: World, request: web.Request) -> web.Response:
    """Answer `GET IDENTITY_ENDPOINT?api-version=2019-08-01&resource=…` as the platform does; real time rules here."""
    resource, version = request.query.get("resource", "").rstrip("/"), request.query.get("api-version")
    if version != "2019-08-01" or not resource or "X-IDENTITY-HEADER" not in request.headers:
        status = 400 if "X-IDENTITY-HEADER" in request.headers else 401
        return web.json_response({"statusCode": status, "message": "Header, api-version or resource."}, status=status)
    over, client = int(time.time()) + LIFETIME, request.query.get("client_id") or identity_of("client")
    claims = {"aud": resource, "exp": over, "appid": client, "idtyp": "app", "roles": world.settings["appRoles"]}
    content = ".".join(_coded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims))
    body = {"access_token": f"{content}.{_signature(content)}", "token_type": "Bearer", "resource": resource}
    return web.json_response(body | {"client_id": client, "expires_on": str(over)})


def roles_of(authorization: str) -> frozenset[str]:
    """The app roles in the token a request carries.

    Raises:
        Refusal: 401, no token of ours, or one that is over or meant for another service.
    """
    claims = _claims(given := authorization.removeprefix("Bearer ").strip())
    wrong = (
        (not given, "Access token is empty."),
        (not claims, "IDX14100: JWT is not well formed, or its signature is not ours."),
        (claims.get("exp", 0) < time.time(), "Lifetime validation failed, the token is expired."),
        (claims.get("aud") not in AUDIENCES, "Access token validation failure. Invalid audience."),
    )
    if text := next((text for is_so, text in wrong if is_so), None):
        raise Refusal(401, "InvalidAuthenticationToken", text, CHALLENGE)
    return frozenset(claims["roles"])


@functools.lru_cache(maxsize=64)
def _claims(given: str) -> dict[str, Any]:
    content, _, signature = given.rpartition(".")
    ours = content and hmac.compare_digest(signature.encode(), _signature(content).encode())
    return json.loads(base64.urlsafe_b64decode(content.partition(".")[2] + "==")) if ours else {}


def _coded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _signature(content: str) -> str:
    """No secret: it tells our tokens from others, also after a restart."""
    return _coded(hmac.digest(b"sandbox", content.encode(), hashlib.sha256))
