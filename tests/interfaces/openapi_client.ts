// Calls commands with openapi-fetch, typed by what openapi-typescript made of the host's own document. The compiler holds
// the two together; the lines marked as errors must be errors.
//
// Arguments: the host's address. The password is on standard input.
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const address = process.argv[2] ?? "";
const password = readFileSync(0, "utf8").trim();
const authorization = `Basic ${Buffer.from(`admin@localhost:${password}`).toString("base64")}`;
const admin = createClient<paths>({ baseUrl: address, headers: { authorization } });
const nobody = createClient<paths>({ baseUrl: address });

function equal(found: unknown, expected: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
  }
}

const greeted = await admin.POST("/api/hello", { body: { name: "Ada" } });
const greeting: string | undefined = greeted.data;
equal(greeting, "Hello, Ada!");
equal(greeted.response.headers.get("x-command-version"), "0");

const read = await admin.GET("/api/hello", { params: { query: { name: "Bob & Co" } } });
equal(read.data, "Hello, Bob & Co!");

const contact = { localuser: "ann", localhost: "localhost", user: "bob", host: "localhost", nick: "Bob" };
const added = await admin.POST("/api/add_rosteritem", { body: { ...contact, groups: ["Friends"], subs: "both" } });
equal(added.error, undefined);
const roster = await admin.POST("/api/get_roster", { body: { user: "ann", host: "localhost" } });
equal(roster.data?.map((item) => item.jid), ["bob@localhost"]);

const refused = await nobody.POST("/api/hello", { body: { name: "Ada" } });
equal(refused.error?.code, "unauthenticated");
const open = await nobody.POST("/api/check_account", { body: { user: "ann", host: "localhost" } });
equal(open.response.status, 200);

// @ts-expect-error: the name is a text.
const wrong = await admin.POST("/api/hello", { body: { name: 5 } });
equal(wrong.error?.errors?.map((one) => one.pointer), ["/name"]);
// @ts-expect-error: there is no such command.
await admin.POST("/api/no_such_command", { body: {} });
console.log("done");
