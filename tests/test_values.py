"""Tests of the reading of values that several dialects have."""

from __future__ import annotations

from ccproxy.fields import Fields
from ccproxy.prompt import Image
from ccproxy.values import arguments_of, image_from_data_url, model_of
from tests.test_fields import FieldsTestCase


class ValueTests(FieldsTestCase):
    """Values that several dialects have."""

    def test_model(self) -> None:
        """A model has a name, of at most 256 characters."""
        self.assertEqual(model_of(Fields({"model": "m" * 256}, "")), "m" * 256)
        self.refused(
            "model: has to be at most 256 characters long.", "model", model_of, Fields({"model": "m" * 257}, "")
        )
        self.refused("model: is required.", "model", model_of, Fields({}, ""))

    def test_arguments(self) -> None:
        """A call's arguments are JSON text, whether the client kept the text, the object or nothing."""
        self.assertEqual(
            [arguments_of(value) for value in ('{"a": 1}', {"a": [1, "é"]}, None)], ['{"a": 1}', '{"a":[1,"é"]}', ""]
        )

    def test_image(self) -> None:
        """A data URL holds an image's type, in lower case, and its data; parameters of the type are left out."""
        for url in (
            "data:image/png;base64,iVBORw0KGgo=",
            "DATA:image/PNG;Base64,iVBORw0KGgo=",
            "data:image/png;name=a.png;charset=utf-8;base64,iVBORw0KGgo=",
        ):
            self.assertEqual(image_from_data_url(url, "a"), Image("image/png", "iVBORw0KGgo="))

    def test_no_image(self) -> None:
        """The address of an image, and data that is not base64, are refused with the form that is taken."""
        message = "a: has to be a data URL (data:image/png;base64,...). Remote images are not fetched, and the upstream ignores them."
        for url in ("https://example.org/a.png", "data:image/png,abc", "data:;base64,abc", "iVBORw0KGgo=", ""):
            self.refused(message, "a", image_from_data_url, url, "a")
