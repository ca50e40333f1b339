"""Lists a host's tools and calls one, with the client of the package `mcp` in one of its releases, as mcp_list.mjs does.

Argument: the host's address. The password of admin is on standard input.
"""

import base64
import sys

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

address = sys.argv[1]
token = base64.b64encode(f"admin@localhost:{sys.stdin.readline().strip()}".encode()).decode()


async def main():
    http = httpx2.AsyncClient(headers={"Authorization": f"Basic {token}"}, timeout=60)
    async with Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client:
        names = []
        cursor = None
        while True:
            page = await client.list_tools(cursor=cursor)
            names += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                break
        assert "edge" in names and "dispatcher" in names, names
        called = await client.call_tool("edge", {"of": "log_lines_max", "amount": 2})
        assert called.structured_content["result"] == 2, called
        print("done", len(names))


anyio.run(main)
