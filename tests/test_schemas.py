"""Tests of JSON Schema in bounded time."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.framing import dumps, loads
from ccproxy.schemas import fault, mismatch
from tests.unmeasured import Unmeasured

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
KEYWORDS = (
    *(
        "$ref",
        "$id",
        "$anchor",
        "$defs",
        "$schema",
        "$dynamicRef",
        "$dynamicAnchor",
        "$recursiveRef",
        "id",
        "definitions",
    ),
    *(
        "type",
        "properties",
        "patternProperties",
        "additionalProperties",
        "required",
        "dependencies",
        "dependentSchemas",
    ),
    *("items", "contains", "uniqueItems", "allOf", "anyOf", "oneOf", "not", "if", "then", "const", "enum", "pattern"),
    *("minimum", "multipleOf", "unevaluatedProperties", "x"),
)
VALUES = (
    *("#", "#/x", "#/properties/x", "#x", "x", "#/allOf/0", "#/%", "http://[", "urn:a:b", "//", "string", "object"),
    *("(a+)+", DRAFT_7, "http://json-schema.org/draft-04/schema#", 5, 1.5, -1, 0, 10**30, True, None),
)


def json(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """JSON that looks like a schema from afar."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
        max_leaves=14,
    )


def nested(depth: int, inner: Any) -> Any:
    """A value inside so many arrays."""
    for _ in range(depth):
        inner = [inner]
    return inner


class FaultTests(SynchronousTestCase):
    """Schemas that cannot be used."""

    def assert_fault(self, expected: str, schema: dict[str, Any]) -> None:
        """Check what is wrong with a schema."""
        self.assertIn(expected, fault(schema) or "nothing", schema)

    def test_none(self) -> None:
        """Of a schema that can be used nothing is said, whichever draft it follows."""
        schemas: tuple[dict[str, Any], ...] = (
            {},
            {"type": "object", "properties": {"$ref": {"type": "string"}}, "enum": [{"$ref": "nowhere"}]},
            {"$ref": "#/$defs/tree", "$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}}}},
            {"$ref": "#/elsewhere/a", "elsewhere": {"a": {"type": "string"}}},
            {"$id": "urn:x", "$ref": "b#leaf", "$defs": {"b": {"$id": "b", "$anchor": "leaf"}}},
            {"$schema": DRAFT_7, "items": [{"type": "string"}]},
            {"$schema": "https://schemas.test/unheard-of", "type": "object"},
        )

        for schema in schemas:
            self.assertIsNone(fault(schema), schema)

    def test_no_schema(self) -> None:
        """A wrong keyword is named with its place, by the rules of the draft that the schema follows."""
        self.assert_fault("$.properties.a.type", {"properties": {"a": {"type": "text"}}})
        self.assert_fault("$.items", {"items": [{"type": "string"}]})
        self.assert_fault("$.minimum", {"$schema": DRAFT_7, "minimum": "low"})

    def test_target_is_no_schema(self) -> None:
        """What a reference leads to has to be a schema too, wherever it stands."""
        self.assert_fault("$.type", {"$ref": "#/elsewhere", "elsewhere": {"type": "text"}})
        self.assert_fault("no valid JSON Schema", {"$ref": "#/title", "title": "a"})
        self.assert_fault("'#/nowhere'", {"$ref": "#/elsewhere", "elsewhere": {"not": {"$ref": "#/nowhere"}}})

    def test_nothing_is_fetched(self) -> None:
        """A reference to somewhere else makes a schema useless, also to a file and to the drafts themselves."""
        for address in (
            "https://schemas.test/a.json",
            "file:///etc/hostname",
            "https://json-schema.org/draft/2020-12/schema",
        ):
            self.assert_fault("nothing is fetched", {"properties": {"a": {"$ref": address}}})

    def test_broken_reference(self) -> None:
        """A reference that no schema could have is a fault and no accident."""
        for reference in ("http://[", "#/allOf/x", "#/allOf/7", "#nobody"):
            self.assertIsNotNone(fault({"allOf": [{"$ref": reference}]}), reference)
        self.assert_fault("$id", {"$id": "http://[", "$ref": "#"})

    def test_draft_inside(self) -> None:
        """A schema follows one draft as a whole."""
        self.assert_fault("$schema at its root only", {"properties": {"a": {"$schema": DRAFT_7}}})

    def test_size(self) -> None:
        """A schema has at most 128 KiB as compact JSON."""
        frame = len(dumps({"title": ""}))

        self.assertIsNone(fault({"title": "a" * (131_072 - frame)}))
        self.assert_fault("at most 131072 bytes", {"title": "a" * (131_073 - frame)})

    def test_depth(self) -> None:
        """A schema may be nested, but not without end."""
        deep: dict[str, Any] = {}
        for depth in range(300):
            deep = {"properties": {"a": deep}}
            if depth == 20:
                self.assertIsNone(fault(deep))

        self.assert_fault("nested too deeply", deep)

    def test_many_references(self) -> None:
        """References do not cost the size of the schema each."""
        leaves: dict[str, Any] = {f"a{number}": {"$ref": "#leaf"} for number in range(2500)}
        schema = {"$defs": {"leaf": {"$anchor": "leaf"}, **leaves}}

        began = time.monotonic()
        self.assertIsNone(fault(schema))

        self.assertLess(time.monotonic() - began, 10)

    @given(
        st.dictionaries(st.sampled_from(KEYWORDS), json(st.sampled_from(VALUES)), max_size=5),
        json(st.sampled_from(VALUES)),
    )
    @settings(max_examples=500, deadline=None)
    def test_anything(self, schema: dict[str, Any], document: Any) -> None:
        """Whatever is called a schema either has a fault or checks any document."""
        schema = loads(dumps(schema))

        if fault(schema) is None:
            self.assertIsInstance(mismatch(schema, document), (str, type(None)))


class MismatchTests(SynchronousTestCase):
    """Documents that do not fit."""

    def test_fits(self) -> None:
        """Of a document that fits nothing is said."""
        schema = {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": False,
        }

        self.assertIsNone(mismatch(schema, {"a": 1}))

    def test_place_and_cause(self) -> None:
        """What is wrong is told with its place."""
        schema = {"properties": {"list": {"items": {"type": "integer"}}}}

        self.assertEqual(mismatch(schema, {"list": [1, "b"]}), "at $.list[1]: 'b' is not of type 'integer'")

    def test_best(self) -> None:
        """Of several errors the one is told that says most: of alternatives the one that nearly fits."""
        schema = {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"type": "integer"}}}]}

        self.assertEqual(mismatch(schema, {"a": "b"}), "at $.a: 'b' is not of type 'integer'")

    def test_drafts(self) -> None:
        """The draft that the schema names decides what its keywords mean."""
        modern: dict[str, Any] = {"prefixItems": [{"type": "string"}]}

        self.assertIsNotNone(mismatch(modern, [1]))
        self.assertIsNone(mismatch({"$schema": DRAFT_7, **modern}, [1]))

    def test_references(self) -> None:
        """References are followed, by place, by name, and in the schema that names itself."""
        leaf = {"$anchor": "leaf", "type": "string"}
        for reference in ("#/$defs/leaf", "#leaf", "urn:tree#leaf"):
            schema = {"$id": "urn:tree", "items": {"$ref": reference}, "$defs": {"leaf": leaf}}
            self.assertEqual(mismatch(schema, ["a", 1]), "at $[1]: 1 is not of type 'string'", reference)

    def test_long_values(self) -> None:
        """Of a long value the middle is left out, and neither the place nor the cause."""
        said = mismatch({"properties": {"a": {"type": "integer"}}}, {"a": "x" * 10_000}) or ""

        self.assertTrue(said.startswith("at $.a: 'xxx"), said)
        self.assertTrue(said.endswith("is not of type 'integer'"), said)
        self.assertLess(len(said), 250)

    def test_patterns(self) -> None:
        """Patterns are enforced, for values and for names."""
        by_name = {"patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": False}

        self.assertIn("does not match", mismatch({"pattern": "^[a-z]+$"}, "A") or "")
        self.assertIn("1 is not of type 'string'", mismatch(by_name, {"x-a": 1}) or "")
        self.assertIn("regexes", mismatch(by_name, {"y": 1}) or "")
        self.assertIsNone(mismatch(by_name, {"x-a": "a"}))


class BoundTests(Unmeasured):
    """A check comes to its end."""

    def setUp(self) -> None:
        """Look at the clock."""
        self.began = time.monotonic()

    def tearDown(self) -> None:
        """No check takes long; the machine may be slow, but none of them is done in a year without its bound."""
        self.assertLess(time.monotonic() - self.began, 60)

    def test_pattern_bomb(self) -> None:
        """A pattern that could take for ever is not held against a value or a name."""
        text = "a" * 60 + "b"

        self.assertIsNone(mismatch({"pattern": "(a+)+$"}, text))
        self.assertIsNone(mismatch({"patternProperties": {"(a+)+$": False}, "additionalProperties": False}, {text: 1}))

    def test_pattern_of_another_language(self) -> None:
        """A pattern that Python cannot read is not held against a value."""
        self.assertIsNone(mismatch({"pattern": r"^\p{Lu}"}, "a"))

    def test_beside_a_bomb(self) -> None:
        """Everything else is enforced all the same."""
        schema = {"properties": {"a": {"pattern": "(a+)+$"}, "b": {"type": "integer"}}, "required": ["b"]}

        self.assertIn("'b' is a required property", mismatch(schema, {"a": "a" * 60 + "b"}) or "")

    def test_in_what_is_forbidden(self) -> None:
        """Where a pattern is not enforced, nothing is held against a value because it was not."""
        text = "a" * 60 + "b"
        bomb = {"pattern": "(a+)+$"}

        for schema in ({"not": bomb}, {"oneOf": [bomb, {"type": "string"}]}, {"if": bomb, "then": False}):
            self.assertIsNone(mismatch(schema, text), schema)

    def test_many_ways(self) -> None:
        """A few references that double each other are followed for a while, and not two to the power of forty times."""
        steps: dict[str, Any] = {f"a{at}": {"allOf": [{"$ref": f"#/$defs/a{at + 1}"}] * 2} for at in range(40)}
        schema = {"$schema": DRAFT_7, "$ref": "#/$defs/a0", "$defs": {**steps, "a40": {"type": "string"}}}

        self.assertIsNone(fault(schema))
        self.assertIsNone(mismatch(schema, "text"))
        self.assertIn("not of type 'string'", mismatch(schema, 1) or "")

    def test_found_before_the_end(self) -> None:
        """An error that was found before all steps were spent stands."""
        schema = {"type": "array", "items": {"type": "integer"}}

        self.assertIn("$[0]", mismatch(schema, ["a", *range(200_000)]) or "")
        self.assertIsNone(mismatch(schema, [*range(200_000), "a"]))

    def test_unique_objects(self) -> None:
        """Objects are compared with each other as long as there are not too many; texts and numbers always."""
        schema = {"uniqueItems": True}
        few, many = ([{"a": number} for number in range(count)] for count in (100, 3000))

        self.assertIsNotNone(mismatch(schema, [*few, few[0]]))
        self.assertIsNone(mismatch(schema, [*many, many[0]]))
        self.assertIsNotNone(mismatch(schema, [*map(str, range(3000)), "0"]))

    def test_unevaluated(self) -> None:
        """What nothing bounds is not enforced."""
        self.assertIsNone(mismatch({"unevaluatedProperties": False, "unevaluatedItems": False}, {"a": 1}))

    def test_depth(self) -> None:
        """A document that is nested as deeply as its schema allows is checked up to some depth."""
        schema = {"items": {"$ref": "#"}, "type": "array"}

        self.assertIn("is not of type 'array'", mismatch(schema, nested(20, 1)) or "")
        self.assertEqual(mismatch(schema, nested(900, 1)), "its check is nested too deeply")

    def test_condition_that_refers_to_itself(self) -> None:
        """A schema that refers to itself under a condition is too deep as well, wherever the stack ends."""
        schema = {"if": {"$dynamicRef": "#"}, "then": {"type": "string"}}

        self.assertEqual(mismatch(schema, 1), "its check is nested too deeply")

    def test_endless_reference(self) -> None:
        """A schema that is nothing but itself ends."""
        self.assertEqual(mismatch({"$ref": "#"}, 1), "its check is nested too deeply")

    def test_huge_numbers(self) -> None:
        """A number that cannot be divided is no accident."""
        for number in (10**400, float("inf")):
            self.assertEqual(mismatch({"multipleOf": 0.1}, number), "a number is too large to be checked")
