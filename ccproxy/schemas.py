"""This module is JSON Schema in bounded time: whether a client's schema can be used, and whether a document fits it.

Nothing is ever fetched: a schema refers to itself or to nothing. It has at most 128 KiB as compact JSON and may be nested about fifty
levels deep. ``$schema`` may stand at its root only, and names a draft from 4 to 2020-12; 2020-12 is meant by any other, and by none.

The check of a document takes about two seconds at worst, and not for ever, however schema and document conspire. What it would take
longer for is not held against the document: a ``pattern`` for which the matcher could need more steps than are left
(`ccproxy.patterns`; a repetition of repetitions is such a one), ``uniqueItems`` for a thousand objects, and whatever has not been looked at
when all steps are spent, which a document of some 300 KB can bring about. Never held against it are a ``pattern`` that Python cannot read,
``format``, and ``unevaluatedProperties`` and ``unevaluatedItems``, whose cost nothing bounds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import Any, TypeAlias

from attrs import define
from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry, Specification
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT4, DRAFT6, DRAFT7, DRAFT201909, DRAFT202012

from ccproxy.framing import dumps, loads
from ccproxy.patterns import work

_Schema: TypeAlias = Mapping[str, Any]
_Keyword: TypeAlias = Callable[..., Iterable[ValidationError] | None]

_MOST_BYTES = 131_072
_LONGEST = 200  # characters of a path or a cause
_MOST_ERRORS = 100
_DEEPEST = 100  # keywords within keywords, at about five frames each
_MOST_STEPS = 100_000_000.0  # of the matcher, about ten nanoseconds each at worst
_KEYWORD_STEPS = 1000.0  # what it costs to evaluate one keyword, in the same coin
_COMPARISON_STEPS = 200.0  # and to compare two values
_DRAFTS = {
    "http://json-schema.org/draft-04/schema": (Draft4Validator, DRAFT4),
    "http://json-schema.org/draft-06/schema": (Draft6Validator, DRAFT6),
    "http://json-schema.org/draft-07/schema": (Draft7Validator, DRAFT7),
    "https://json-schema.org/draft/2019-09/schema": (Draft201909Validator, DRAFT201909),
    "https://json-schema.org/draft/2020-12/schema": (Draft202012Validator, DRAFT202012),
}
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BY_NAME = ("patternProperties", "additionalProperties")
_UNENFORCED = ("unevaluatedProperties", "unevaluatedItems")
_SORTABLE = ({str}, {int}, {float})  # what is found to be unique in one go
_NEGATING = {"not", "oneOf", "if", "then", "else", "contains"}


def fault(schema: _Schema) -> str | None:
    """What is wrong with a schema, as the end of a sentence about it; None when documents can be checked with it."""
    data = dumps(schema)
    if len(data) > _MOST_BYTES:
        return f"has to be at most {_MOST_BYTES} bytes long."
    return _fault(data)


def mismatch(schema: _Schema, document: object) -> str | None:
    """Where and why a document does not fit a schema without fault; None when it does, as far as that is enforced."""
    draft, specification = _draft(schema)
    allowance = _Allowance()
    checks = {name: allowance.checking(name, keyword) for name, keyword in draft.VALIDATORS.items()}
    # Where a reference leads back to $schema, the library would go on with a class of its own, and without our checks.
    root = {name: value for name, value in schema.items() if name != "$schema"}
    validator = extend(draft, checks)(root, registry=_registry(root, specification))  # type: ignore[no-untyped-call]
    errors: list[ValidationError] = []
    try:
        with _recursion_told():
            errors.extend(islice(validator.iter_errors(document), _MOST_ERRORS))
    except _SpentError:
        allowance.exceeded = True  # the errors that were found before stand
    except RecursionError:
        return "its check is nested too deeply"
    except ArithmeticError:
        return "a number is too large to be checked"
    if allowance.exceeded:
        errors = [error for error in errors if _is_certain(error)]
    return _best(errors)


# A schema


def _draft(schema: _Schema) -> tuple[type[Validator], Specification[Any]]:
    name = schema.get("$schema")
    named = _DRAFTS.get(name.removesuffix("#")) if isinstance(name, str) else None
    return named or (Draft202012Validator, DRAFT202012)


def _registry(schema: _Schema, specification: Specification[Any]) -> Registry[Any]:
    """All that the schema's references can mean, found beforehand: it is not looked for again at each of them."""
    resource = specification.create_resource(schema)
    registry: Registry[Any] = Registry().with_resource(resource.id() or "", resource)
    return registry.crawl()


@lru_cache(maxsize=128)  # whoever asks for a form once asks for it again, and a large schema takes half a second
def _fault(data: bytes) -> str | None:
    schema = loads(data)
    draft, specification = _draft(schema)
    grammar = draft(draft.META_SCHEMA, registry=Registry())
    try:
        with _recursion_told():
            return _ungrammatical(schema, grammar) or _stray(schema, grammar, specification)
    except RecursionError:
        return "is nested too deeply."
    except ValueError:
        return "has a $id or a $ref that is no URI reference."


def _ungrammatical(schema: Any, grammar: Validator) -> str | None:  # noqa: ANN401 - not known to be a schema yet
    cause = _best(islice(grammar.iter_errors(schema), _MOST_ERRORS))
    return cause and f"is no valid JSON Schema: {cause}."


def _stray(schema: _Schema, grammar: Validator, specification: Specification[Any]) -> str | None:
    """Follow all references; what they lead to has to be a schema as well, although it may stand where none is expected."""
    known: set[int] = set()
    resolver = _registry(schema, specification).resolver(specification.create_resource(schema).id() or "")
    roots = deque([(schema, resolver)])
    while roots:
        references = []
        for inner, resolver in _subschemas(*roots.popleft(), specification):
            known.add(id(inner))
            if inner is not schema and "$schema" in inner:
                return "may have $schema at its root only."
            references += [(inner[name], resolver) for name in _REFERENCES if name in inner]
        for reference, resolver in references:
            try:
                found = resolver.lookup(reference)
            except Unresolvable:
                return f"refers to {_shortened(reference)!r}, which is not in it; nothing is fetched."
            if id(found.contents) in known:
                continue
            if fault := _ungrammatical(found.contents, grammar):
                return fault
            known.add(id(found.contents))
            roots.append((found.contents, found.resolver))
    return None


def _subschemas(root: object, base: Any, specification: Specification[Any]) -> Iterator[tuple[_Schema, Any]]:  # noqa: ANN401 - a resolver, whose class is private
    """A schema and all schemas in it, each with what resolves its references."""
    waiting = [(root, base)]
    while waiting:
        schema, resolver = waiting.pop()
        if not isinstance(schema, dict):
            continue
        yield schema, resolver
        for inner in specification.subresources_of(schema):
            within = resolver.in_subresource(specification.create_resource(inner))
            waiting.append((inner, within))


# A document


class _SpentError(Exception):
    """No steps are left."""


@define
class _Allowance:
    """The steps that one check may still take.

    Attributes:
        exceeded: Something was not enforced, because it could have taken more.
    """

    exceeded: bool = False
    _left: float = _MOST_STEPS
    _depth: int = 0

    def checking(self, name: str, keyword: _Keyword) -> _Keyword:
        """A keyword that pays for what it does, and holds nothing against the document where that cannot be paid for."""

        def check(validator: Validator, value: Any, instance: object, schema: _Schema) -> Iterable[ValidationError]:  # noqa: ANN401 - a keyword's value is any JSON
            if self._left < _KEYWORD_STEPS:
                raise _SpentError
            self._left -= _KEYWORD_STEPS
            price = _price(name, value, instance, schema)
            if price > self._left:
                self.exceeded = True
                return ()
            self._left -= price
            return self._deeper(keyword(validator, value, instance, schema) or ())

        return _nothing if name in _UNENFORCED else check

    def _deeper(self, errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
        """One keyword within another; a schema may refer to itself for ever."""
        if self._depth >= _DEEPEST:
            raise RecursionError
        self._depth += 1
        try:
            yield from errors
        finally:
            self._depth -= 1


@contextmanager
def _recursion_told() -> Iterator[None]:
    """Say in Python's way that the stack is full, also where compiled code of the library met it and panicked."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise RecursionError from None
        raise


def _nothing(*_: object) -> Iterable[ValidationError]:
    return ()


def _price(name: str, value: Any, instance: object, schema: _Schema) -> float:  # noqa: ANN401 - as above
    """The most steps that a keyword itself takes, where that is more than a look at its value."""
    if name == "pattern" and isinstance(instance, str):
        return work(value, len(instance))
    if name in _BY_NAME and isinstance(instance, dict):
        patterns = schema.get("patternProperties", ())
        return sum(work(pattern, len(key)) for pattern in patterns for key in instance)
    if name == "uniqueItems" and isinstance(instance, list) and {type(item) for item in instance} not in _SORTABLE:
        return _COMPARISON_STEPS / 2 * len(instance) ** 2
    return 0.0


def _is_certain(error: ValidationError) -> bool:
    """Whether an error stands although something was not enforced; in what a schema forbids, that makes errors.

    An error of the schema ``false`` does not say whether it stands under ``then`` or ``else``.
    """
    return error.validator is not None and _NEGATING.isdisjoint(error.absolute_schema_path)


def _best(errors: Iterable[ValidationError]) -> str | None:
    error = best_match(errors)
    return None if error is None else f"at {_shortened(error.json_path)}: {_shortened(error.message)}"


def _shortened(text: str) -> str:
    """A text whose middle may be left out: messages begin with the value that is wrong and end with the cause."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"
