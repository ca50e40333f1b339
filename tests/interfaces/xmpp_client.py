"""Uses Muster over XMPP as people's clients do, by slixmpp, and prints what came of each step as JSON.

    xmpp_client.py PORT DOMAIN PASSWORD < STEPS

STEPS is a JSON list. Each step names who does it, as `user`, `user/resource` (both at localhost) or `user@host`, and what:

    {"as": "ann", "items": NODE}                what belongs to a node of DOMAIN (null for DOMAIN itself)
    {"as": "ann", "info": NODE}                 what it is
    {"as": "ann", "command": NODE}              begins a command; with "action", "form" (values by field), "kind" (of the
                                                form), "session" (the name of an earlier step's), "save" (a name for the
                                                session of the answer), "times" (so often at once)
    {"as": "ann", "raw": XML, "type": "get"}    any other request
"""

import asyncio
import json
import sys
import xml.etree.ElementTree as ET

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0004 import Form

port, domain, password = sys.argv[1:]
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
FORMS = "{jabber:x:data}"
VALIDATE = "{http://jabber.org/protocol/xdata-validate}"


def local(tag):
    return tag.rsplit("}", 1)[-1]


async def client(name):
    user, _, resource = name.partition("/")
    bare = user if "@" in user else f"{user}@localhost"
    one = slixmpp.ClientXMPP(f"{bare}/{resource or 'desk'}", password)
    for plugin in ["xep_0004", "xep_0030", "xep_0050", "xep_0122"]:
        one.register_plugin(plugin)
    one.plugin["feature_mechanisms"].unencrypted_plain = True
    one.enable_starttls = one.enable_direct_tls = False
    one.enable_plaintext = True
    bound = asyncio.get_running_loop().create_future()
    one.add_event_handler("session_start", lambda _: bound.done() or bound.set_result(None))
    one.add_event_handler("failed_all_auth", lambda _: bound.done() or bound.set_exception(RuntimeError("no login")))
    one.connect("127.0.0.1", int(port))
    await asyncio.wait_for(bound, 30)
    return one


def field(element):
    shown = {"var": element.get("var")}
    for name in ["type", "label"]:
        if element.get(name) not in (None, shown["var"]):
            shown[name] = element.get(name)
    values = [value.text or "" for value in element.findall(FORMS + "value")]
    if values:
        shown["values"] = values
    if element.find(FORMS + "required") is not None:
        shown["required"] = True
    desc = element.find(FORMS + "desc")
    if desc is not None:
        shown["desc"] = desc.text
    options = [option.find(FORMS + "value").text or "" for option in element.findall(FORMS + "option")]
    if options:
        shown["options"] = options
    validate = element.find(VALIDATE + "validate")
    if validate is not None:
        rules = [" ".join([local(rule.tag), *(f"{k}={v}" for k, v in sorted(rule.attrib.items())), *([rule.text] if rule.text else [])]) for rule in validate]
        shown["takes"] = " ".join([validate.get("datatype"), *rules])
    return shown


def form(element):
    shown = {"type": element.get("type")}
    title = element.find(FORMS + "title")
    if title is not None:
        shown["title"] = title.text
    instructions = [one.text for one in element.findall(FORMS + "instructions")]
    if instructions:
        shown["instructions"] = instructions
    fields = [field(one) for one in element.findall(FORMS + "field")]
    if fields:
        shown["fields"] = fields
    reported = element.find(FORMS + "reported")
    if reported is not None:
        shown["columns"] = [one.get("var") for one in reported]
        shown["rows"] = [
            {one.get("var"): one.findtext(FORMS + "value") or "" for one in item} for item in element.findall(FORMS + "item")
        ]
    return shown


class Steps:
    def __init__(self):
        self.clients = {}
        self.sessions = {}

    async def run(self, step):
        if step["as"] not in self.clients:
            self.clients[step["as"]] = await client(step["as"])
        one = self.clients[step["as"]]
        times = step.get("times", 1)
        answers = await asyncio.gather(*(self.ask(one, step) for _ in range(times)))
        return answers[0] if times == 1 else answers

    async def ask(self, one, step):
        try:
            return await asyncio.wait_for(self.answer(one, step), 60)
        except IqError as error:
            found = error.iq.xml.find("{jabber:client}error")
            shown = {"error": error.condition, "type": error.etype}
            if error.text:
                shown["text"] = error.text
            more = [local(child.tag) for child in found if not child.tag.startswith("{" + STANZAS)]
            if more:
                shown["more"] = more
            return shown

    async def answer(self, one, step):
        if "items" in step:
            answer = await one.plugin["xep_0030"].get_items(jid=domain, node=step["items"])
            return sorted([node, name] for _, node, name in answer["disco_items"]["items"])
        if "info" in step:
            answer = await one.plugin["xep_0030"].get_info(jid=domain, node=step["info"])
            info = answer["disco_info"]
            return {"identities": sorted([i[0], i[1], i[3]] for i in info["identities"]), "features": sorted(info["features"])}
        if "raw" in step:
            request = one.make_iq(ito=domain, itype=step.get("type", "set"))
            request.append(ET.fromstring(step["raw"]))
            answer = await request.send()
            return [local(child.tag) for child in answer.xml]
        return self.command(await self.request(one, step).send(), step)

    def request(self, one, step):
        request = one.make_iq_set(ito=domain)
        command = request["command"]
        command["node"] = step["command"]
        if "action" in step:
            command.xml.set("action", step["action"])
        session = step.get("session")
        if session is not None:
            command["sessionid"] = self.sessions.get(session, session)
        if "form" in step:
            submitted = Form()
            submitted["type"] = step.get("kind", "submit")
            for name, value in step["form"].items():
                submitted.add_field(var=name, ftype="text-multi" if isinstance(value, list) else "text-single", value=value)
            if step.get("kind") != "cancel":
                submitted.xml.set("type", step.get("kind", "submit"))
            command.append(submitted)
        return request

    def command(self, answer, step):
        command = answer.xml.find("{http://jabber.org/protocol/commands}command")
        if "save" in step:
            self.sessions[step["save"]] = command.get("sessionid")
        shown = {"status": command.get("status")}
        for child in command:
            name = local(child.tag)
            if name == "actions":
                shown["actions"] = [child.get("execute"), *(local(one.tag) for one in child)]
            elif name == "note":
                shown["note"] = [child.get("type"), child.text]
            elif name == "x":
                shown["form"] = form(child)
        return shown


async def main():
    steps = Steps()
    answers = [await steps.run(step) for step in json.load(sys.stdin)]
    print(json.dumps(answers))
    for one in steps.clients.values():
        one.abort()


asyncio.run(main())
