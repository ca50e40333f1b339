// Lists a host's tools and calls one, with the client of one package: a client that cannot read one schema refuses the list as a
// whole.
//
// Arguments: the folder with the packages, the name of the package, the host's address. The password of admin is on standard
// input.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, name, address] = process.argv.slice(2);
const password = readFileSync(0, "utf8").trim();
const load = createRequire(`${modules}/`);
const isNewer = name === "@modelcontextprotocol/client";
const { Client } = isNewer ? load(name) : load(`${name}/client/index.js`);
const { StreamableHTTPClientTransport } = isNewer ? load(name) : load(`${name}/client/streamableHttp.js`);

const authorization = `Basic ${Buffer.from(`admin@localhost:${password}`).toString("base64")}`;
const client = new Client({ name: "test", version: "1" });
await client.connect(new StreamableHTTPClientTransport(new URL(`${address}/mcp`), { requestInit: { headers: { authorization } } }));
const names = [];
let cursor;
do {
  const page = await client.listTools(cursor ? { cursor } : {});
  names.push(...page.tools.map((tool) => tool.name));
  cursor = page.nextCursor;
} while (cursor);
assert.ok(names.includes("edge") && names.includes("dispatcher"), names.join(" "));
const called = await client.callTool({ name: "edge", arguments: { of: "log_lines_max", amount: 2 } });
assert.equal(called.structuredContent.result, 2);
await client.close();
console.log(`done ${new Set(names).size}`);
