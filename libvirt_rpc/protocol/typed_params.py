"""The plain codec of typed parameters: a name, a type number and a value of that type.

Source: remote_typed_param in remote_protocol.x. An unknown type number has no known length, so it
ends the decoding of the whole message.
"""

from __future__ import annotations

from dataclasses import dataclass

import xdrlib3

from libvirt_rpc.enums import TypedParameterType
from libvirt_rpc.errors import DecodeError, EncodeError
from libvirt_rpc.protocol import xdr

TypedValue = int | float | str


@dataclass(frozen=True, slots=True)
class TypedParameter:
    """One value that libvirt names itself. `value` is an int, float, bool (BOOLEAN) or str by `type`."""

    field: str
    type: TypedParameterType
    value: TypedValue


class Boolean(xdr.Codec[bool]):
    """An int of which any value but 0 means true: remote_typed_param_value declares it `int`."""

    def encode(self, value: bool, packer: xdrlib3.Packer) -> None:  # noqa: FBT001
        packer.pack_int(int(bool(value)))

    def decode(self, reader: xdr.Reader) -> bool:
        return reader.unpack_int() != 0


VALUE_CODECS: dict[int, xdr.Codec[int] | xdr.Codec[float] | xdr.Codec[str] | xdr.Codec[bool]] = {
    TypedParameterType.INT: xdr.INT,
    TypedParameterType.UINT: xdr.UINT,
    TypedParameterType.LLONG: xdr.HYPER,
    TypedParameterType.ULLONG: xdr.UHYPER,
    TypedParameterType.DOUBLE: xdr.DOUBLE,
    TypedParameterType.BOOLEAN: Boolean(),
    TypedParameterType.STRING: xdr.STRING,
}


class TypedParameterCodec(xdr.Codec[TypedParameter]):
    minimum_size = 4 + 4 + 4

    def encode(self, value: TypedParameter, packer: xdrlib3.Packer) -> None:
        codec = VALUE_CODECS.get(value.type)
        if codec is None:
            raise EncodeError(f"{value.type} is no type of a typed parameter")
        xdr.STRING.encode(value.field, packer)
        packer.pack_int(value.type)
        codec.encode(value.value, packer)  # type: ignore[arg-type]  # the table pairs type and codec

    def decode(self, reader: xdr.Reader) -> TypedParameter:
        field = xdr.STRING.decode(reader)
        number = reader.unpack_int()
        codec = VALUE_CODECS.get(number)
        if codec is None:
            raise DecodeError(
                f"typed parameter {field!r:.100} has the unknown type {number}",
                reader.get_position(),
            )
        return TypedParameter(field, TypedParameterType(number), codec.decode(reader))


TYPED_PARAMETER = TypedParameterCodec()
