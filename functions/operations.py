"""The door for operators: /api/operations/…, for whoever App Service authentication vouches for."""

from http import HTTPStatus
from urllib.parse import urlsplit

import azure.functions as func

from functions.settle import RunFailed, settled
from shared import wiring

operations_door = func.Blueprint()
ROOT = "/api/operations/"
BUG = '{"status": 500, "code": "bug", "title": "Something is wrong with Firstpass; its log says more."}'


@operations_door.route(
    "operations/{*path}", trigger_arg_name="request", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS
)
async def operations(request: func.HttpRequest) -> func.HttpResponse:
    """One act of an operator. The platform has checked who asks; what they may do is decided in shared/api.py."""
    url, method, headers, body = urlsplit(request.url), request.method, dict(request.headers), request.get_body()
    path = url.path.partition(ROOT)[2]
    try:
        status, text = await settled(
            lambda: wiring.api().answer(method, path, url.query, headers, body), give_back_after=0
        )
    except RunFailed:
        status, text = HTTPStatus.INTERNAL_SERVER_ERROR, BUG
    kind = "application/json" if status < HTTPStatus.BAD_REQUEST else "application/problem+json"
    # Nothing of it may be kept by a browser or a proxy.
    return func.HttpResponse(text, status_code=status, mimetype=kind, headers={"Cache-Control": "no-store"})
