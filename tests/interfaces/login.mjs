// Logs in with a real browser as a person does: a wrong password first, then the right one; ends on the page that sends them
// back to the terminal.
//
// Arguments: the folder with puppeteer-core, the browser, the address the terminal shows, a folder for pictures. The
// password is on standard input.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, browserPath, address, pictures] = process.argv.slice(2);
const password = readFileSync(0, "utf8").trim();
const puppeteer = createRequire(`${modules}/`)("puppeteer-core");
const browser = await puppeteer.launch({
  executablePath: browserPath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const page = await browser.newPage();
await page.setViewport({ width: 900, height: 700 });
await page.goto(address);

async function logIn(password) {
  await page.$eval("#account", (field) => { field.value = ""; });
  await page.type("#account", "ann@localhost");
  await page.type("#password", password);
  await Promise.all([page.waitForNavigation(), page.click("button[value=allow]")]);
}

await logIn("wrong");
const mishap = await page.$eval("#mishap", (element) => element.textContent);
if (!mishap) throw new Error("nothing is said of the wrong password");
await page.screenshot({ path: `${pictures}/login.png` });
await logIn(password);
const text = await page.$eval("body", (element) => element.textContent);
if (!text.includes("return to the terminal")) throw new Error(`${page.url()}: ${text}`);
await browser.close();
console.log("done");
