"""Uses a host's tools with the client of the package `mcp`: over HTTP or over `muster mcp`, by the handshake of older revisions
or without one.

Arguments: `http` or `stdio`, `auto` or `legacy`, the host's address, the program, its data directory. The password of ann is
on standard input; she may call `hello`, `status`, `check_account`, `steps` and `whoami`. While it runs, it asks for changes of
the host by a line `do: …` on standard output, and goes on once it reads a line.
"""

import base64
import json
import sys

import anyio
import httpx2
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

wire, mode, address, program, data = sys.argv[1:]
password = sys.stdin.readline().strip()


def ask(change):
    print(f"do: {change}", flush=True)
    sys.stdin.readline()


def transport():
    if wire == "http":
        token = base64.b64encode(f"ann@localhost:{password}".encode()).decode()
        http = httpx2.AsyncClient(headers={"Authorization": f"Basic {token}"}, timeout=60)
        return streamable_http_client(f"{address}/mcp", http_client=http)
    arguments = ["--url", address, "--user", "ann@localhost", "mcp"]
    return StdioServerParameters(command=program, args=arguments, env={"MUSTER_PASSWORD": password})


def problem(result):
    """What a failed call says to programs. It is in no structured content, which would have to fit the schema of results."""
    assert result.is_error and result.structured_content is None, result
    return json.loads(result.content[1].text)


heard = anyio.Event()


async def hear(message):
    method = getattr(message, "method", None) or getattr(getattr(message, "root", None), "method", None)
    if method == "notifications/tools/list_changed":
        heard.set()


async def main():
    async with Client(transport(), mode=mode, message_handler=hear) as client:
        version = client.protocol_version
        assert (version >= "2026-07-28") == (mode == "auto"), version
        assert client.server_info.name == "muster", client.server_info

        listed = await client.list_tools()
        tools = {tool.name: tool for tool in listed.tools}
        assert sorted(tools) == ["check_account", "hello", "status", "steps", "whoami"], sorted(tools)
        hello = tools["hello"]
        assert hello.input_schema["required"] == ["name"], hello
        assert hello.annotations.read_only_hint and not hello.annotations.destructive_hint, hello
        assert hello.output_schema["properties"]["result"]["type"] == "string", hello

        result = await client.call_tool("hello", {"name": "Ada"})
        assert not result.is_error and result.structured_content == {"result": "Hello, Ada!"}, result
        assert result.content[0].text == "Hello, Ada!", result
        who = await client.call_tool("whoami", {})
        assert '"via":"mcp"' in who.content[0].text.replace(" ", ""), who

        wrong = await client.call_tool("hello", {"name": 5, "nme": "x"})
        assert problem(wrong)["code"] == "invalid-arguments", wrong
        assert {error["pointer"] for error in problem(wrong)["errors"]} == {"/name", "/nme"}, wrong
        forbidden = await client.call_tool("registered_users", {"host": "localhost"})
        assert problem(forbidden)["code"] == "forbidden", forbidden
        unknown = await client.call_tool("helo", {})
        assert problem(unknown)["code"] == "unknown-command", unknown
        try:
            await client.list_tools(cursor="%%")
            raise AssertionError("a made-up cursor was taken")
        except MCPError as error:
            assert error.error.code == -32602, error

        reports = []

        async def progress(done, total, message):
            reports.append((done, total, message))

        counted = await client.call_tool("steps", {"to": 4, "ms": 50}, progress_callback=progress)
        assert counted.structured_content == {"result": 4}, counted
        assert reports and all(report[1] == 4 and report[2] == f"step {int(report[0])}" for report in reports), reports
        assert [report[0] for report in reports] == sorted({report[0] for report in reports}), reports

        # Calls run beside one another.
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(client.call_tool, "steps", {"to": 4, "ms": 50})

        # Who does not want a result any more ends the call; the host's record says so.
        with anyio.move_on_after(0.5):
            await client.call_tool("steps", {"to": 1000, "ms": 20})

        # What changes for others is not heard, what changes for ann is.
        if mode == "legacy":
            ask("change for others")
            await anyio.sleep(0.5)
            assert not heard.is_set(), "heard of another's tools"
            ask("change for ann")
            with anyio.fail_after(10):
                await heard.wait()
        else:
            async with client.listen(tools_list_changed=True) as changes:
                ask("change for others")
                ask("change for ann")
                with anyio.fail_after(10):
                    async for _ in changes:
                        break
        listed = await client.list_tools(cache_mode="bypass")
        assert "hello" not in {tool.name for tool in listed.tools}, listed
    print("done")


anyio.run(main)
