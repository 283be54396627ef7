"""Tests of how the simulated model fills in arguments."""

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.simulator.arguments import arguments_for, schema_in


class ArgumentsTests(SynchronousTestCase):
    """Arguments that fit a schema."""

    def value(self, schema: object) -> object:
        """The value for a required property of this schema."""
        return arguments_for({"type": "object", "properties": {"x": schema}, "required": ["x"]})["x"]

    def test_optional(self) -> None:
        """Optional properties are left out."""
        arguments = arguments_for({"type": "object", "properties": {"x": {"type": "string"}}})

        self.assertEqual(arguments, {})

    def test_simple_types(self) -> None:
        """Each simple type gets a value of its own."""
        values = [self.value({"type": kind}) for kind in ("string", "integer", "boolean", "null", "array", "object")]

        self.assertEqual(values, ["sample", 1, True, None, [], {}])

    def test_minimum(self) -> None:
        """A number is not below its minimum."""
        value = self.value({"type": "number", "minimum": 5})

        self.assertEqual(value, 5)

    def test_minimum_items(self) -> None:
        """A list has as many items as it must."""
        value = self.value({"type": "array", "minItems": 2, "items": {"type": "boolean"}})

        self.assertEqual(value, [True, True])

    def test_too_many_items(self) -> None:
        """A list has not more items than anybody could read, whatever the schema wants."""
        self.assertEqual(len(self.value({"type": "array", "minItems": 10**400})), 100)  # type: ignore[arg-type]

    def test_choices(self) -> None:
        """Constants, enumerations and examples are taken at their word."""
        values = [self.value({"const": 3}), self.value({"enum": ["a", "b"]}), self.value({"examples": ["e"]})]

        self.assertEqual(values, [3, "a", "e"])

    def test_nullable(self) -> None:
        """A type that may be null is not null."""
        value = self.value({"type": ["null", "integer"]})

        self.assertEqual(value, 1)

    def test_union(self) -> None:
        """Of several schemas the first is chosen."""
        value = self.value({"anyOf": [{"type": "boolean"}, {"type": "string"}]})

        self.assertIs(value, True)

    def test_nested(self) -> None:
        """What a nested object requires is filled in."""
        value = self.value({"type": "object", "properties": {"y": {"type": "integer"}}, "required": ["y"]})

        self.assertEqual(value, {"y": 1})

    def test_unknown_property(self) -> None:
        """A required property without a schema gets a string."""
        arguments = arguments_for({"properties": {}, "required": ["x"]})

        self.assertEqual(arguments, {"x": "sample"})


class SchemaTests(SynchronousTestCase):
    """The schema in a system text."""

    def test_last(self) -> None:
        """The last line that is an object is the schema; braces in prose are none."""
        self.assertEqual(schema_in('Be brief.\n{"a": 1}\nSo:\n{"b": 2}\n{well}'), {"b": 2})

    def test_none(self) -> None:
        """Without one, everything fits."""
        self.assertEqual(schema_in("Answer with one JSON object."), {})
