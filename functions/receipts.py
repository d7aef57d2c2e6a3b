"""The door for Twilio's callbacks: POST /api/receipts. Open to anybody; the signature is the key."""

from http import HTTPStatus
from urllib.parse import urlsplit

import azure.functions as func

from functions.settle import RunFailed, settled
from shared import wiring

receipts_door = func.Blueprint()


@receipts_door.route(
    "receipts", trigger_arg_name="request", methods=["HEAD", "POST"], auth_level=func.AuthLevel.ANONYMOUS
)
async def receipts(request: func.HttpRequest) -> func.HttpResponse:
    """204: written down, or nothing to us. 403: not Twilio's. 503: not written, Twilio is to try again.

    HEAD changes nothing and is 204: the self-check sees so whether this door stands at its public address.
    """
    if request.method == "HEAD":
        return func.HttpResponse(status_code=HTTPStatus.NO_CONTENT)
    return func.HttpResponse(status_code=await _answer(request))


async def _answer(request: func.HttpRequest) -> HTTPStatus:
    query, headers, body = urlsplit(request.url).query, dict(request.headers), request.get_body()
    try:
        from_twilio = await settled(lambda: wiring.receipts().take(query, headers, body), give_back_after=0)
    except RunFailed:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.NO_CONTENT if from_twilio else HTTPStatus.FORBIDDEN
