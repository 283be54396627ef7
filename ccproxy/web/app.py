"""This module is what is served on each path, and the shape of what goes wrong there."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ccproxy.aliases import resolve
from ccproxy.codecs import Dialect, TokenCounter
from ccproxy.doors import read
from ccproxy.errors import Kind, ProxyError
from ccproxy.estimate import estimate
from ccproxy.web.exchange import Exchange
from ccproxy.web.house import House
from ccproxy.web.kept import KeptAnswers
from ccproxy.web.refusing import advice
from ccproxy.web.request import ProxyRequest
from ccproxy.web.routes import Handler, Routes
from ccproxy.web.upgrade import can_upgrade, upgrading, wants_socket

_T = TypeVar("_T")

_MODEL_PATHS = ("/v1/models", "/models", "/openai/v1/models", "/anthropic/v1/models")
_OTHER_PATHS = ("/v1/models", "/health")


class App:
    """The web application.

    Args:
        house: What exchanges need; the first of its dialects is the default.

    Attributes:
        klein: The routes.
    """

    _log = Logger()

    def __init__(self, house: House) -> None:
        self._dialects = house.dialects
        self._house = house
        self.klein = Klein()
        self._short: dict[tuple[bytes, bytes], Handler] = {}
        self._route()

    def resource(self) -> Routes:
        """The root resource."""
        return Routes(self.klein, self._short, self._failed)

    def refusal(self, path: str, error: ProxyError) -> bytes:
        """The JSON of an error, in the dialect of a path."""
        return self._dialect_of(path).refusal(error)

    def objection(self, headers: Mapping[str, str]) -> ProxyError | None:
        """What is wrong with the key in lower-cased request headers; None when the upstream could know it."""
        try:
            self._house.upstream.credential(headers)
        except ProxyError as error:
            return error
        return None

    def _route(self) -> None:
        klein, house = self.klein, self._house
        for dialect in self._dialects:
            for path in dialect.paths:
                self._post(path, self._serving(dialect))
            if dialect.dialogue is not None and can_upgrade():
                for path in dialect.dialogue.paths:
                    self._short[b"GET", path.encode()] = upgrading(house, dialect, dialect.dialogue)
            if dialect.counter is not None:
                for path in dialect.counter.paths:
                    self._post(path, self._counting(dialect, dialect.counter))
            if dialect.memory is not None:
                KeptAnswers(self._house, dialect.memory).route(klein)
        klein.route("/", methods=["GET"])(self._root)
        klein.route("/health", methods=["GET"])(self._health)
        for path in _MODEL_PATHS:
            klein.route(path, methods=["GET"])(self._list_models)
            klein.route(f"{path}/<path:model_id>", methods=["GET"])(self._show_model)
        # Klein's types know error handlers with looser arguments only.
        handlers: tuple[tuple[type[Exception], Any], ...] = (
            (ProxyError, self._refuse),
            (HTTPException, self._no_route),
            (Exception, self._bug),
        )
        for kind, handler in handlers:
            klein.handle_errors(kind)(handler)

    def _post(self, path: str, handler: Handler) -> None:
        """A path that is asked by POST, the short way; Klein knows it too, and answers other methods with a 405."""
        self.klein.route(path, methods=["POST"], endpoint=path)(handler)
        self._short[b"POST", path.encode()] = handler

    # Routes

    def _serving(self, dialect: Dialect) -> Handler:
        def serve(request: ProxyRequest) -> Deferred[bytes | None]:
            exchange = Exchange(self._house, dialect, request)

            def ended(result: _T) -> _T:
                self._house.live.discard(exchange)
                return result

            self._house.live.add(exchange)
            return exchange.start().addBoth(ended)

        return serve

    def _counting(self, dialect: Dialect, counter: TokenCounter) -> Handler:
        async def count(request: ProxyRequest) -> bytes | None:
            house = self._house
            house.upstream.credential(request.plain_headers)
            body = request.asked()

            def counted() -> int:
                prompt = read(body.fields(), dialect, self._dialects)
                model = resolve(prompt.model, house.config.model_aliases, house.catalog.ids())
                return house.corrections.corrected(model, estimate(prompt))

            return request.json(counter.answer(await house.offload(counted, body.weight)))

        return lambda request: Deferred.fromCoroutine(count(request))

    def _root(self, request: ProxyRequest) -> bytes:
        request.setHeader("content-type", "text/plain; charset=utf-8")
        paths = (path for dialect in self._dialects for path in dialect.paths)
        return (
            "ccproxy is running. It serves:\n" + "".join(f"  {path}\n" for path in (*paths, *_OTHER_PATHS))
        ).encode()

    def _health(self, request: ProxyRequest) -> bytes:
        request.setHeader("content-type", "text/plain; charset=utf-8")
        return b"OK"

    async def _list_models(self, request: ProxyRequest) -> bytes:
        models = await self._house.catalog.models()
        return request.json(self._dialect_for(request).models(models))

    async def _show_model(self, request: ProxyRequest, model_id: str) -> bytes:
        models = {model.id.lower(): model for model in await self._house.catalog.models()}
        model = models.get(model_id.lower())
        if model is None:
            nearest = ", ".join(self._house.catalog.nearest(model_id))
            raise ProxyError(
                Kind.MODEL_NOT_FOUND, f"There is no model of this name. The nearest known models: {nearest}."
            )
        return request.json(self._dialect_for(request).model(model))

    # What goes wrong

    def _failed(self, request: ProxyRequest, failure: Failure) -> bytes:
        return (self._refuse if failure.check(ProxyError) else self._bug)(request, failure)

    def _refuse(self, request: ProxyRequest, failure: Failure) -> bytes:
        error = failure.value
        assert isinstance(error, ProxyError)  # noqa: S101 - this is called for nothing else
        request.setResponseCode(error.status)
        for name, value in advice(error).items():
            request.setHeader(name, value)
        if error.kind is Kind.TOO_LARGE:
            request.setHeader("connection", "close")
            request.channel.persistent = False
        return request.json(self._dialect_for(request).refusal(error))

    def _no_route(self, request: ProxyRequest, failure: Failure) -> bytes:
        path = request.path.decode("utf-8", "replace")
        if failure.check(MethodNotAllowed) and wants_socket(request.plain_headers):
            request.setHeader("upgrade", "HTTP/1.1")
            error = ProxyError(
                Kind.UPGRADE_REQUIRED, f"There is no WebSocket at {path[:80]}; send requests one by one."
            )
        elif failure.check(MethodNotAllowed):
            allowed = ", ".join(sorted(failure.value.valid_methods or ()))  # type: ignore[union-attr] # it was checked
            request.setHeader("allow", allowed)
            error = ProxyError(Kind.METHOD_NOT_ALLOWED, f"{path[:80]} answers to {allowed} only.")
        else:
            known = [*(path for dialect in self._dialects for path in dialect.paths), *_OTHER_PATHS]
            nearest = difflib.get_close_matches(path, known, n=1, cutoff=0)[0]
            error = ProxyError(Kind.NOT_FOUND, f"There is nothing at {path[:80]}; the nearest path is {nearest}.")
        return self._refuse(request, Failure(error))

    def _bug(self, request: ProxyRequest, failure: Failure) -> bytes:
        self._log.failure("A bug on {path}", failure, path=request.path)
        return self._refuse(request, Failure(ProxyError(Kind.INTERNAL, "The proxy failed; its log says more.")))

    def _dialect_for(self, request: ProxyRequest) -> Dialect:
        names = {name.decode("latin-1") for name in request.args or ()}
        return self._dialect_of(request.path.decode("utf-8", "replace"), request.plain_headers, names)

    def _dialect_of(self, path: str, headers: Mapping[str, str] = {}, query: Collection[str] = ()) -> Dialect:
        for dialect in self._dialects:
            if path.startswith(tuple(dialect.paths)):  # what lies below a path, such as a token counter, speaks like it
                return dialect
        return next((dialect for dialect in self._dialects if dialect.speaks(headers, query)), self._dialects[0])
