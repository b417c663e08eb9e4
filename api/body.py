"""Request bodies: JSON decoded once, strictly, straight into the handler's type, with the field named on an error."""

from collections.abc import Generator
from typing import Any, ClassVar

import msgspec
from litestar._openapi.schema_generation.schema import SchemaCreator
from litestar.dto import AbstractDTO, DTOConfig
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.exceptions import ClientException
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from api.decoding import decode_json


class StrictJson(AbstractDTO[Any]):
    """Decodes the body into the type of the handler's `data`; Litestar's own way is lenient and decodes twice.

    Raises InvalidInput.
    """

    config = DTOConfig()
    decoders: ClassVar[dict[str, msgspec.json.Decoder[Any]]] = {}

    @classmethod
    def create_for_field_definition(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,
        backend_cls: Any = None,  # noqa: ARG003
    ) -> None:
        cls.decoders[handler_id] = msgspec.json.Decoder(field_definition.annotation)

    def decode_bytes(self, value: bytes) -> Any:
        check_json_type(self.asgi_connection.headers.get("content-type", ""))
        return decode_json(value, self.decoders[self.asgi_connection.route_handler.handler_id])

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,  # noqa: ARG003
        schema_creator: SchemaCreator,
    ) -> Reference | Schema:
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        return field_definition.annotation is not None

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:  # noqa: ARG003
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:  # noqa: ARG003
        return False


def check_json_type(content_type: str) -> None:
    """Raise 415 unless the body is declared as JSON: a web page cannot declare that without a CORS preflight."""
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ClientException(
            detail=f"send the header Content-Type: application/json, not {kind or 'none'}", status_code=415
        )
