"""Decode JSON strictly, with the field named on an error."""

import re
from typing import Any, Final

import msgspec

from api.hints import hint_for
from phoserve.errors import InvalidInput

# msgspec ends its messages with the path: "Expected `str`, got `int` - at `$.documents[0].text`".
PATH: Final = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$")
UNKNOWN: Final = re.compile(r"unknown field `(?P<name>[^`]+)`")
MISSING: Final = re.compile(r"missing required field `(?P<name>[^`]+)`")


def decode_json(body: bytes, decoder: msgspec.json.Decoder[Any], *, field: str | None = None) -> Any:
    """Return `body` as the decoder's type; `field` is that of a form, if the JSON is its value.

    Raises InvalidInput with the path of the offending field.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message = str(error)
        found = PATH.search(message)
        short = PATH.sub("", message)
        hint = hint_for(short, found["path"] if found else "", decoder.type)
        path = ".".join(part for part in (field, _field(message)) if part) or None
        raise InvalidInput(short + hint, field=path) from None
    except RecursionError:
        raise InvalidInput(f"{field or 'the body'} is nested too deeply", field=field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{field or 'the body'} is not JSON in UTF-8: {error}", field=field) from None


def _field(message: str) -> str | None:
    found = PATH.search(message)
    parent = found["path"] if found else ""
    named = UNKNOWN.search(message) or MISSING.search(message)
    return ".".join(part for part in (parent, named["name"] if named else "") if part) or None
