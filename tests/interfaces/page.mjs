// Uses the page at /docs as a person does, in a real browser: nobody may call much; with an account, chooses a command,
// fills in an argument and calls it; a wrong argument is shown at its field; what was typed outlives a login, and every digit of
// it the way to the host and back. Nothing may break the page's own policy, every control must have a name, and every text must
// stand out, in light and in dark. Takes pictures of each step where a folder is given.
//
// Arguments: the folder with puppeteer-core, the browser, the host's address, a folder for pictures (or nothing). The
// password is on standard input.
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";

const [modules, browserPath, address, pictures] = process.argv.slice(2);
const password = readFileSync(0, "utf8").trim();
const puppeteer = createRequire(`${modules}/`)("puppeteer-core");

const complaints = [];
const browser = await puppeteer.launch({
  executablePath: browserPath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const page = await browser.newPage();
page.on("console", (message) => {
  // The browser itself writes down answers with an error.
  if (["error", "warn"].includes(message.type()) && !message.text().includes("Failed to load resource")) {
    complaints.push(message.text());
  }
});
page.on("pageerror", (error) => complaints.push(error.message));
page.on("request", (request) => {
  if (!request.url().startsWith(`${address}/`)) complaints.push(`a request leaves the host: ${request.url()}`);
});

async function text(selector) {
  return page.$eval(selector, (element) => element.textContent);
}

async function until(selector, wanted) {
  await page.waitForFunction(
    (selector, wanted) => document.querySelector(selector)?.textContent.includes(wanted),
    { timeout: 10000 }, selector, wanted);
}

/** Looks at the page in light and in dark. */
async function look(name) {
  for (const value of ["dark", "light"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
    await contrast();
    if (pictures) await page.screenshot({ path: `${pictures}/${name}-${value}.png` });
  }
}

async function type(selector, text) {
  await page.$eval(selector, (input) => { input.value = ""; });
  await page.type(selector, text);
}

function equal(found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
  }
}

/** Controls a screen reader could not name, and headings that skip a level. */
async function accessible() {
  const client = await page.createCDPSession();
  const { nodes } = await client.send("Accessibility.getFullAXTree");
  const controls = ["textbox", "button", "link", "combobox", "checkbox", "searchbox", "navigation", "form"];
  const nameless = nodes.filter((node) => !node.ignored && controls.includes(node.role?.value) && !node.name?.value);
  equal(nameless.map((node) => `${node.role.value} without a name`), []);
  const roles = nodes.map((node) => node.role?.value);
  for (const landmark of ["main", "navigation", "banner"]) {
    if (!roles.includes(landmark)) throw new Error(`there is no ${landmark}`);
  }
}

/** Whether every visible text stands out from what is behind it (WCAG 2.2, 1.4.3: 4.5 to 1). */
async function contrast() {
  const weak = await page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const channels = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
      const linear = [r, g, b].map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
      return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = channels(getComputedStyle(at).backgroundColor);
        if (color[3] === 255) return color;
      }
      return [255, 255, 255];
    };
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
      if (!own || element.getClientRects().length === 0 || element.className === "skip") continue;
      const [one, other] = [light(channels(getComputedStyle(element).color)), light(behind(element))];
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      if (ratio < 4.5) found.push(`${element.tagName} ${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
    return found;
  });
  equal(weak, []);
}

/** Whether what stands beside one another in the form at the top is of one height, and begins at one place. */
async function aligned() {
  const parts = await page.$$eval("#login p:not([hidden]) > :last-child", (parts) =>
    parts.map((part) => part.getBoundingClientRect()).map(({ top, bottom }) => [top, bottom]));
  equal(parts.filter((part) => String(part) !== String(parts[0])), []);
}

try {
  await page.setViewport({ width: 1100, height: 850 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  const answer = await page.goto(`${address}/docs`);
  if (!answer.headers()["content-security-policy"].includes("default-src 'none'")) throw new Error("no policy");
  await until("#state", "You may call one command.");
  equal(await page.$$eval("#list a", (links) => links.map((link) => link.textContent)), ["check_account"]);
  await look("nobody");

  // A wrong password is said so, and no window of the browser asks for another.
  await page.select("#scheme", "basic");
  await page.type("#account", "ann@localhost");
  await page.type("#password", "wrong");
  await page.click("#login button");
  await until("#state", "the presented credential is not valid");
  await type("#password", password);
  await page.keyboard.press("Enter");
  await until("#state", "You may call 4 commands.");

  await page.type("#search", "gree");
  equal(await page.$$eval("#list a", (links) => links.map((link) => link.textContent)), ["hello"]);
  await page.focus("#list a");
  await page.keyboard.press("Enter");
  await until("#name", "hello");
  await page.type("#argument-0", "Ada <b>'s");
  const curl = await text("#curl");
  if (!curl.includes(`-u ann@localhost`) || curl.includes(password)) throw new Error(curl);
  await page.keyboard.press("Enter");
  await until("#answer pre", "Hello, Ada <b>'s!");
  equal((await text("#status")).startsWith("200 done"), true);
  await accessible();
  await aligned();
  await look("called");

  // The link over the list leads to the command, and changes neither what is shown nor what was typed.
  await page.focus(".skip");
  await look("skip");
  await page.keyboard.press("Enter");
  equal(await page.evaluate(() => [document.activeElement.id, location.hash]), ["main", "#hello"]);
  equal(await page.$eval("#argument-0", (input) => input.value), "Ada <b>'s");

  // Nor does who logs in again lose it, not even by a wrong password.
  await type("#password", "wrong");
  await page.keyboard.press("Enter");
  await until("#state", "the presented credential is not valid");
  await type("#password", password);
  await page.keyboard.press("Enter");
  await until("#state", "You may call 4 commands.");
  equal(await page.$eval("#argument-0", (input) => input.value), "Ada <b>'s");

  // No digit is lost where numbers of JavaScript end.
  await page.goto(`${address}/docs#divide`);
  await until("#name", "divide");
  await until("#argument-0-about", "whole number, -9223372036854775808 to 9223372036854775807");
  await page.type("#argument-0", "12.5");
  await page.type("#argument-1", "1");
  await page.click("#call button");
  await until("#argument-0-error", "this is not a whole number");
  await type("#argument-0", "9223372036854775807");
  const shown = await text("#curl");
  if (!shown.includes('{"dividend":9223372036854775807,"divisor":1}')) throw new Error(shown);
  await page.click("#call button");
  await until("#answer pre", "9223372036854775807");
  await look("numbers");

  // What comes back is shown as it came; of values with a description, one is chosen. No command here has either, so the
  // test puts them in between.
  const markdown = "Says `hello` to **you**, as [others](https://example.org/) do.\n\n## Ways\n\n- one\n- two\n  and more\n\n" +
    "1. first\n\n```\n<b>code</b>\n```\n[not](javascript:alert(1)) <img src=x onerror=alert(1)>";
  await page.setRequestInterception(true);
  const between = async (request) => {
    if (request.url().endsWith("/openapi.json")) {
      const document = await (await fetch(request.url(), { headers: request.headers() })).json();
      const input = document.components.schemas["hello.v0.input"];
      const tone = { oneOf: [{ const: "kind", description: "As to a friend." }, { enum: ["formal"] }, { type: "null" }] };
      input.properties.tone = tone;
      input.properties.picture = { type: "string", contentEncoding: "base64", contentMediaType: "image/gif" };
      document.paths["/api/hello"].post.description = markdown;
      await request.respond({ contentType: "application/json", body: JSON.stringify(document) });
    } else if (request.url().endsWith("/api/hello")) {
      await new Promise((done) => setTimeout(done, 1500));
      await request.respond({ contentType: "application/json", body: '{"big":18446744073709551615,"none":[],"one":1.0}' })
        // Who left it is told nothing.
        .catch(() => {});
    } else {
      await request.continue();
    }
  };
  page.on("request", between);
  await page.goto(`${address}/docs#hello`);
  await page.click("#login button");
  await page.waitForSelector("#argument-1");
  equal(
    await page.$$eval("#argument-1 option", (options) => options.map((option) => option.textContent)),
    ["not given", "kind — As to a friend.", "formal"]);
  await type("#argument-0", "Ada");
  await page.select("#argument-1", '"kind"');
  // Bytes come from a file, as base64.
  const file = `${mkdtempSync(`${tmpdir()}/page-`)}/picture`;
  writeFileSync(file, new Uint8Array([0, 255, 104, 105]));
  await (await page.$("#argument-2-file")).uploadFile(file);
  await page.waitForFunction(() => document.getElementById("argument-2").value === "AP9oaQ==");
  const chosen = await text("#curl");
  if (!chosen.includes('{"name":"Ada","tone":"kind","picture":"AP9oaQ=="}')) throw new Error(chosen);
  await page.click("#call .buttons button");
  await until("#working", "The call runs");
  await accessible();
  await look("working");
  await until("#status", "200 done");
  equal(await page.$("#working"), null);
  // Who does not want to wait leaves.
  await page.click("#call .buttons button");
  await until("#working", "The call runs");
  await page.click("#working button");
  await until("#answer", "You canceled the call.");
  // Markdown is shown as it is meant, and nothing of it is more than that.
  equal(await page.$$eval(".text a", (links) => links.map((link) => link.href)), ["https://example.org/"]);
  equal(await page.$$eval(".text h3, .text li, .text strong, .text p code", (parts) => parts.map((part) => part.textContent)),
    ["hello", "you", "Ways", "one", "two and more", "first"]);
  equal(await text(".text pre"), "<b>code</b>");
  equal(await page.$$eval(".text img, .text script, .text b", (parts) => parts.length), 0);
  await page.click("#call .buttons button");
  await until("#status", "200 done");
  equal(await text("#answer pre"), '{\n  "big": 18446744073709551615,\n  "none": [],\n  "one": 1.0\n}');
  await look("chosen");
  page.off("request", between);
  await page.setRequestInterception(false);

  // What the host says of an argument stands at that argument.
  await page.goto(`${address}/docs#check_account`);
  await until("#name", "check_account");
  await page.type("#argument-0", "a b");
  await page.type("#argument-1", "localhost");
  await page.click("#call button");
  await until("#argument-0-error", "is not a valid user name");
  equal(await page.$eval("#argument-0", (input) => input.getAttribute("aria-invalid")), "true");
  // What is code in a text of the author's is shown as such.
  equal(await page.$eval("#argument-0-about code", (element) => element.textContent), "@");
  await look("wrong");

  // On a narrow screen nothing is cut off.
  await page.setViewport({ width: 360, height: 740 });
  equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  await look("narrow");
  // The command that is chosen comes into sight.
  await page.$$eval("#list a", (links) => links.find((link) => link.textContent === "hello").click());
  await until("#name", "hello");
  await page.waitForFunction(() => {
    const { top } = document.getElementById("name").getBoundingClientRect();
    return top >= 0 && top < innerHeight / 2;
  }, { timeout: 5000 });
  equal(complaints, []);
  console.log("done");
} finally {
  await browser.close();
}
