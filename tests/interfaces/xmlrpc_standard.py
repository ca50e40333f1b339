"""Calls Muster with the XML-RPC client of Python's standard library, and prints what came of each call as JSON.

    xmlrpc_standard.py URL PASSWORD < CALLS

CALLS is a JSON list of [method, parameters]; in parameters, {"$base64": TEXT} stands for bytes, {"$time": TEXT} for a
moment, and "$ann" for a login of ann@localhost.
"""

import base64
import json
import sys
import xmlrpc.client

url, password = sys.argv[1:]
logins = {
    "$ann": {"user": "ann", "server": "localhost", "password": password},
    "$admin": {"user": "admin", "server": "localhost", "password": password, "admin": True},
    "$wrong": {"user": "ann", "server": "localhost", "password": "wrong"},
    "$twice": {"user": "ann", "server": "localhost", "password": password, "token": "x"},
}


def meant(value):
    if isinstance(value, str) and value in logins:
        return logins[value]
    if isinstance(value, dict) and "$base64" in value:
        return xmlrpc.client.Binary(base64.b64decode(value["$base64"]))
    if isinstance(value, dict) and "$time" in value:
        return xmlrpc.client.DateTime(value["$time"])
    if isinstance(value, dict):
        return {name: meant(member) for name, member in value.items()}
    if isinstance(value, list):
        return [meant(item) for item in value]
    return value


def shown(value):
    if isinstance(value, xmlrpc.client.Binary):
        return {"$base64": base64.b64encode(value.data).decode()}
    if isinstance(value, dict):
        return {name: shown(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value


answers = []
with xmlrpc.client.ServerProxy(url, allow_none=True) as server:
    for method, parameters in json.load(sys.stdin):
        try:
            answers.append({"result": shown(getattr(server, method)(*meant(parameters)))})
        except xmlrpc.client.Fault as fault:
            answers.append({"fault": fault.faultCode, "text": fault.faultString})
print(json.dumps(answers))
