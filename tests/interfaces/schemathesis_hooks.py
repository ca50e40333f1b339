"""Lets each request of the fuzzer come from a network of its own: wrong credentials slow down the network they come from, and
some checks present them hundreds of times. The host is told to believe what its proxy says of where a request comes from."""

import random

import schemathesis

networks = random.Random(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    address = ".".join(str(networks.randrange(1, 255)) for _ in range(3))
    case.headers = {**(case.headers or {}), "X-Forwarded-For": f"10.{address}"}
