"""App Service's managed identity and its bearer tokens (Microsoft Learn, Use managed identities: REST reference)."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from aiohttp import web

from sandbox.directory.rules import Refusal

AUDIENCES = {"https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us"}


def token(roles: list[str], request: web.Request) -> web.Response:
    """Answer `GET IDENTITY_ENDPOINT?api-version=2019-08-01&resource=…`; real time rules here, and 24 hours."""
    resource, known = request.query.get("resource", "").rstrip("/"), "X-IDENTITY-HEADER" in request.headers
    if request.query.get("api-version") != "2019-08-01" or not resource or not known:
        status = 400 if known else 401
        return web.json_response({"statusCode": status, "message": "Header, api-version or resource."}, status=status)
    over, client = int(time.time()) + 24 * 3600, request.query.get("client_id", "0f1e2d3c-0000-4000-8000-000000000000")
    claims = {"aud": resource, "exp": over, "appid": client, "idtyp": "app", "roles": roles}
    content = ".".join(_coded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims))
    body = {"access_token": f"{content}.{_signature(content)}", "token_type": "Bearer", "resource": resource}
    return web.json_response(body | {"client_id": client, "expires_on": str(over)})


def roles_of(authorization: str) -> frozenset[str]:
    """The app roles in the token a request carries; a Refusal when it is not ours, over, or for another service."""
    content, _, signature = authorization.removeprefix("Bearer ").strip().rpartition(".")
    if not content or not hmac.compare_digest(signature.encode(), _signature(content).encode()):
        raise Refusal("bad-token", reason="IDX14100: JWT is not well formed, or its signature is not ours.")
    claims: Any = json.loads(base64.urlsafe_b64decode(content.partition(".")[2] + "=="))
    if claims["exp"] < time.time():
        raise Refusal("bad-token", reason="Lifetime validation failed, the token is expired.")
    if claims["aud"] not in AUDIENCES:
        raise Refusal("bad-token", reason="Access token validation failure. Invalid audience.")
    return frozenset(claims["roles"])


def _coded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _signature(content: str) -> str:
    """No secret: it tells our tokens from others, also after a restart."""
    return _coded(hmac.digest(b"sandbox", content.encode(), hashlib.sha256))
