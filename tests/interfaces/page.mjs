// Uses the page at /docs as a person does, in a real browser: nobody may call much; with an account, chooses a command,
// fills in an argument and calls it; a wrong argument is shown at its field. Nothing may break the page's own policy, and
// every control must have a name. Takes a picture of each step where a folder is given.
//
// Arguments: the folder with puppeteer-core, the browser, the host's address, a folder for pictures (or nothing). The
// password is on standard input.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

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

async function picture(name) {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png` });
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

try {
  await page.setViewport({ width: 1100, height: 850 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  const answer = await page.goto(`${address}/docs`);
  if (!answer.headers()["content-security-policy"].includes("default-src 'none'")) throw new Error("no policy");
  await until("#state", "You may call one command.");
  equal(await page.$$eval("#list a", (links) => links.map((link) => link.textContent)), ["check_account"]);
  await picture("nobody");

  // A wrong password is said so, and no window of the browser asks for another.
  await page.select("#scheme", "basic");
  await page.type("#account", "ann@localhost");
  await page.type("#password", "wrong");
  await page.click("#login button");
  await until("#state", "the presented credential is not valid");
  await page.$eval("#password", (input) => { input.value = ""; });
  await page.type("#password", password);
  await page.keyboard.press("Enter");
  await until("#state", "You may call 3 commands.");

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
  await contrast();
  await picture("light");

  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await contrast();
  await picture("dark");

  // What the host says of an argument stands at that argument.
  await page.goto(`${address}/docs#check_account`);
  await until("#name", "check_account");
  await page.type("#argument-0", "a b");
  await page.type("#argument-1", "localhost");
  await page.click("#call button");
  await until("#argument-0-error", "is not a valid user name");
  equal(await page.$eval("#argument-0", (input) => input.getAttribute("aria-invalid")), "true");
  await contrast();
  await picture("wrong");

  // On a narrow screen nothing is cut off.
  await page.setViewport({ width: 360, height: 740 });
  equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  await picture("narrow");
  equal(complaints, []);
  console.log("done");
} finally {
  await browser.close();
}
