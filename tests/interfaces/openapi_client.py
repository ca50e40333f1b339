"""Calls commands with a client that openapi-python-client made of the host's own document.

Arguments: the host's address, the folder the client was generated into. The password is on standard input.
"""

import sys

address, folder = sys.argv[1:]
password = sys.stdin.readline().strip()
sys.path.insert(0, folder)

import httpx  # noqa: E402
from client.api.accounts import check_account  # noqa: E402
from client.api.demo import get_hello, hello  # noqa: E402
from client.api.roster import add_rosteritem, get_roster  # noqa: E402
from client.client import Client  # noqa: E402
from client.models import (  # noqa: E402
    AddRosteritemV1Input,
    AddRosteritemV1InputSubs,
    CheckAccountV0Input,
    GetRosterV0Input,
    HelloV0Input,
    Problem,
)


def client(user):
    auth = httpx.BasicAuth(f"{user}@localhost", password) if user else None
    return Client(base_url=address, httpx_args={"auth": auth})


admin = client("admin")
assert hello.sync(client=admin, body=HelloV0Input(name="Ada")) == "Hello, Ada!"
assert get_hello.sync(client=admin, name="Bob & Co") == "Hello, Bob & Co!"

detailed = hello.sync_detailed(client=admin, body=HelloV0Input(name="Ada"))
assert detailed.headers["x-command-version"] == "0", detailed.headers

contact = AddRosteritemV1Input(
    localuser="ann",
    localhost="localhost",
    user="bob",
    host="localhost",
    nick="Bob",
    groups=["Friends"],
    subs=AddRosteritemV1InputSubs.BOTH,
)
added = add_rosteritem.sync_detailed(client=admin, body=contact)
assert added.status_code == 200, added
roster = get_roster.sync(client=admin, body=GetRosterV0Input(user="ann", host="localhost"))
assert [(item.jid, item.groups) for item in roster] == [("bob@localhost", ["Friends"])], roster

refused = hello.sync(client=client(""), body=HelloV0Input(name="Ada"))
assert isinstance(refused, Problem) and (refused.status, refused.code) == (401, "unauthenticated"), refused
wrong = hello.sync(client=admin, body=HelloV0Input(name=5))
assert isinstance(wrong, Problem) and wrong.errors[0].pointer == "/name", wrong
known = check_account.sync_detailed(client=client(""), body=CheckAccountV0Input(user="ann", host="localhost"))
assert known.status_code == 200, known
print("done")
