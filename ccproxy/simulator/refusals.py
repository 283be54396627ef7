"""This module is every way in which the simulated service says no before a stream begins.

The envelope and the words follow what the real service was seen to answer; a gateway in front of it answers in HTML.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from attrs import field, frozen


@frozen
class Refusal:
    """An answer whose status is not 200; ``page`` is a body that replaces the JSON envelope."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(factory=dict)
    page: str = ""

    @property
    def content_type(self) -> str:
        """The media type of ``body``."""
        return "text/html; charset=utf-8" if self.page else "application/json"

    def body(self) -> bytes:
        """The bytes of the answer."""
        if self.page:
            return self.page.encode()
        error = {
            "code": self.code,
            "status": self.status,
            "message": self.message,
            "docs": f"https://commandcode.ai/docs/reference/errors/{self.code.lower()}",
        }
        return msgspec.json.encode({"success": False, "error": error})


def invalid(text: str, path: str) -> Refusal:
    """The refusal of a request whose field at ``path`` is wrong."""
    hint = f'Validation error: {text} at "{path}"'
    return Refusal(
        400, "BAD_REQUEST", f"Invalid request error. Often missing required parameters or typo. HINT: {hint}"
    )


def unknown_model(model: str) -> Refusal:
    """The refusal of a model that the catalogue does not hold: a 403, as the real service has it."""
    # A model id may hold a lone surrogate, which has no UTF-8 form.
    readable = model.encode("utf-8", "replace").decode()
    return Refusal(403, "FORBIDDEN", f"Model/provider not recognized: {readable}")


def no_route(status: int, text: str) -> Refusal:
    """The refusal of a path or method that nothing serves."""
    return Refusal(status, text.upper().replace(" ", "_"), text)


UNAUTHORIZED: Final = Refusal(401, "UNAUTHORIZED", "Invalid or missing API key.")
NOT_THE_CLIENT: Final = Refusal(403, "FORBIDDEN", "Proxy use detected: this endpoint serves the Command Code CLI only.")
TOO_OLD: Final = Refusal(403, "FORBIDDEN", "This version of Command Code is too old. Please upgrade to the latest.")
NOT_JSON: Final = Refusal(400, "BAD_REQUEST", "Malformed JSON in request body")
TOO_LARGE: Final = Refusal(413, "PAYLOAD_TOO_LARGE", "Request body is too large.")

BY_NAME: Final[Mapping[str, Refusal]] = {
    "400": invalid("Invalid input: expected string, received number", "params.system"),
    "400-credits": Refusal(400, "BAD_REQUEST", "You have insufficient credits to make this request."),
    "401": UNAUTHORIZED,
    "402": Refusal(402, "PAYMENT_REQUIRED", "Insufficient balance. Please add credits to continue."),
    "403": Refusal(403, "MODEL_NOT_IN_PLAN", "This model is not available in your plan."),
    "403-proxy": NOT_THE_CLIENT,
    "403-upgrade": Refusal(
        403, "upgrade_required", "Your Go plan doesn't include API access. Upgrade to Provider or higher."
    ),
    "404": Refusal(404, "NOT_FOUND", "Not found."),
    "422": Refusal(422, "CMD_ZDR_NO_PROVIDERS", "No provider with zero data retention serves this model."),
    "429": Refusal(429, "RATE_LIMITED", "Too many requests. Please slow down.", {"Retry-After": "7"}),
    "429-window": Refusal(429, "USAGE_EXCEEDED", "You've reached your 5-hour usage limit."),
    "500": Refusal(500, "INTERNAL_SERVER_ERROR", "An unexpected error occurred. Please try again later."),
    "502": Refusal(502, "", "", page="<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"),
    "503": Refusal(503, "SERVICE_UNAVAILABLE", "The service is temporarily overloaded."),
    "504": Refusal(504, "", "", page="<html><head><title>504 Gateway Time-out</title></head><body>504</body></html>"),
    "529": Refusal(529, "OVERLOADED", "The model is overloaded."),
}
"""What ``sim/http-<name>`` answers."""
