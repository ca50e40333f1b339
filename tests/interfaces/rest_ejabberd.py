"""Uses Muster as if it were ejabberd, by the library EjabberdAPI, and prints what the library makes of the answers. The
library reads address and password from `secrets/` in the current folder.

    rest_ejabberd.py
"""

import json

from ejabberdapi import Ejabberd

client = Ejabberd()
answers = []
for method, arguments in [
    ("check_account", ["bob", "localhost"]),
    ("register", ["bob", "localhost", "blank space"]),
    ("register", ["bob", "localhost", "blank space"]),
    ("check_account", ["bob", "localhost"]),
    ("status", []),
    ("unregister", ["bob", "localhost"]),
    ("check_account", ["bob", "localhost"]),
    ("stats", []),
]:
    try:
        answer = getattr(client, method)(*arguments)
    except Exception as error:  # what it raises is what is shown
        answer = type(error).__name__
    answers.append([method, answer.split()[0] if method == "status" else answer])
print(json.dumps(answers))
