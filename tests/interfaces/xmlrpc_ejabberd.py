"""Uses Muster as if it were ejabberd, by the library ejabberd-python3d, and prints what the library makes of the answers.

    xmlrpc_ejabberd.py PORT PASSWORD
"""

import contextlib
import io
import json
import sys

from ejabberd_python3d.client import EjabberdAPIClient

port, password = sys.argv[1:]
client = EjabberdAPIClient("127.0.0.1", "admin", password, server="localhost", port=int(port), protocol="http")
steps = [
    ("register", {"user": "bob", "host": "localhost", "password": "blank space"}),
    ("register", {"user": "bob", "host": "localhost", "password": "blank space"}),
    ("check_account", {"user": "bob", "host": "localhost"}),
    ("check_account", {"user": "nobody", "host": "localhost"}),
    ("registered_users", {"host": "localhost"}),
    ("check_password", {"user": "bob", "host": "localhost", "password": "blank space"}),
    ("change_password", {"user": "bob", "host": "localhost", "newpass": "other space"}),
    ("check_password", {"user": "bob", "host": "localhost", "password": "blank space"}),
    ("ban_account", {"user": "bob", "host": "localhost", "reason": "spam"}),
    ("registered_vhosts", {}),
    ("stats", {"name": "registeredusers"}),
    ("stats_host", {"name": "registeredusers", "host": "localhost"}),
    ("status", {}),
    ("modules_installed", {}),
    ("unregister", {"user": "bob", "host": "localhost"}),
    ("check_account", {"user": "bob", "host": "localhost"}),
]
answers = []
for method, arguments in steps:
    # The library prints the credentials it sends.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            answer = getattr(client, method)(**arguments)
        except Exception as error:  # the library knows no other
            answer = str(error)
    answers.append([method, answer])
print(json.dumps(answers))
