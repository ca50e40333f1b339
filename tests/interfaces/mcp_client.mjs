// Uses a host's tools with the client of the package @modelcontextprotocol/sdk, over HTTP or over `muster mcp`. It holds results
// against the schemas of the tools it listed, which the client in Python does not.
//
// Arguments: the folder with the package, `http` or `stdio`, the host's address, the program. The password of ann is on
// standard input; she may call `hello`, `status`, `check_account`, `steps` and `whoami`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, wire, address, program] = process.argv.slice(2);
const password = readFileSync(0, "utf8").trim();
const load = createRequire(`${modules}/`);
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = load("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = load("@modelcontextprotocol/sdk/client/streamableHttp.js");

function transport() {
  if (wire === "http") {
    const authorization = `Basic ${Buffer.from(`ann@localhost:${password}`).toString("base64")}`;
    return new StreamableHTTPClientTransport(new URL(`${address}/mcp`), { requestInit: { headers: { authorization } } });
  }
  const args = ["--url", address, "--user", "ann@localhost", "mcp"];
  return new StdioClientTransport({ command: program, args, env: { MUSTER_PASSWORD: password } });
}

/** What a failed call says to programs. */
function problem(result) {
  assert.equal(result.isError, true);
  assert.equal(result.structuredContent, undefined);
  return JSON.parse(result.content[1].text);
}

const client = new Client({ name: "test", version: "1" });
await client.connect(transport());
assert.equal(client.getServerVersion().name, "muster");

const { tools } = await client.listTools();
assert.deepEqual(tools.map((tool) => tool.name).sort(), ["check_account", "hello", "status", "steps", "whoami"]);
const hello = tools.find((tool) => tool.name === "hello");
assert.equal(hello.outputSchema.properties.result.type, "string");

const result = await client.callTool({ name: "hello", arguments: { name: "Ada" } });
assert.deepEqual(result.structuredContent, { result: "Hello, Ada!" });
assert.equal(result.content[0].text, "Hello, Ada!");

const wrong = await client.callTool({ name: "hello", arguments: { name: 5, nme: "x" } });
assert.match(wrong.content[0].text, /invalid-arguments/);
assert.equal(problem(wrong).code, "invalid-arguments");
assert.deepEqual(problem(wrong).errors.map((error) => error.pointer).sort(), ["/name", "/nme"]);
assert.equal(problem(await client.callTool({ name: "stop", arguments: {} })).code, "forbidden");
assert.equal(problem(await client.callTool({ name: "helo", arguments: {} })).code, "unknown-command");

const reports = [];
const onprogress = (report) => reports.push(report);
const counted = await client.callTool({ name: "steps", arguments: { to: 4, ms: 50 } }, undefined, { onprogress });
assert.deepEqual(counted.structuredContent, { result: 4 });
assert.ok(reports.length > 0 && reports.every((report) => report.total === 4), JSON.stringify(reports));

await client.close();
console.log("done");
