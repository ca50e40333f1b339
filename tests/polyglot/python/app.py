"""The sample of tests/polyglot in Python, against the WIT of /wit."""

import json

from wit_world import exports
from wit_world.imports.types import (
    ArgumentError, Audience, CallError_Conflict, CallError_Failed, CallError_InvalidArgument, CallError_NotFound,
    CallError_Unavailable, Caller, Command, Effects,
)
from componentize_py_types import Err


def command(name: str, summary: str, properties: dict, output: dict, required: list) -> Command:
    schema = {"type": "object", "properties": properties, "required": required}
    return Command(
        name=name, summary=summary, description="", tags=["polyglot"], input=json.dumps(schema),
        output=json.dumps(output), examples=[], effects=Effects(0), version=0, audience=Audience.RESTRICTED,
        deprecated=None,
    )


COMMANDS = [
    command("poly_greet", "Greets a person", {"name": {"type": "string", "minLength": 1, "maxLength": 64}},
            {"type": "string"}, ["name"]),
    command("poly_sum", "Adds numbers", {"numbers": {"type": "array", "items": {"type": "string"}}},
            {"type": "string"}, ["numbers"]),
    command("poly_whoami", "Tells who calls", {}, {"type": "object"}, []),
    command("poly_fail", "Fails", {"kind": {"type": "string"}}, {}, ["kind"]),
]


def greet(name: str) -> str:
    if name == "nobody":
        raise Err(CallError_InvalidArgument(ArgumentError("/name", "somebody to greet")))
    return f"Hello, {name}!"


def add(numbers: list) -> str:
    total = sum(int(number) for number in numbers)
    if total >= 2**64:
        raise Err(CallError_Failed("the sum has more than 64 bits"))
    return str(total)


def fail(kind: str) -> None:
    errors = {"not_found": CallError_NotFound, "conflict": CallError_Conflict, "unavailable": CallError_Unavailable,
              "failed": CallError_Failed}
    raise Err(errors[kind]("as asked"))  # A kind that is not there is an exception, and that a crash.


class Commands(exports.Commands):
    def describe(self) -> list:
        return COMMANDS

    def call(self, name: str, version: int, input: str, caller: Caller) -> str:
        arguments = json.loads(input)
        if name == "poly_greet":
            result = greet(arguments["name"])
        elif name == "poly_sum":
            result = add(arguments["numbers"])
        elif name == "poly_whoami":
            result = {"account": caller.account, "via": caller.via}
        else:
            result = fail(arguments["kind"])
        return json.dumps(result)
