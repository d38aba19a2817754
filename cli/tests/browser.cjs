// Opens a page of `trips report` in Chromium as a reader would, with every way to a network watched and closed, and
// writes what it finds as one JSON object:
//
//     node browser.cjs PAGE CHROMIUM
//
// NODE_PATH names where playwright-core and axe-core are.

const { chromium } = require('playwright-core');
const { source: axe } = require('axe-core');
const { pathToFileURL } = require('node:url');

// Nothing of the browser's own needs a network, or another profile than the new one that Playwright makes.
const OPTIONS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

const VIEWS = [
  { name: 'light', width: 1280, height: 900, colorScheme: 'light' },
  { name: 'dark', width: 1280, height: 900, colorScheme: 'dark' },
  { name: 'phone', width: 375, height: 740, colorScheme: 'light' },
  { name: 'dark phone', width: 375, height: 740, colorScheme: 'dark' },
  { name: 'print', width: 800, height: 900, colorScheme: 'dark', media: 'print' },
];

async function look(browser, url, view) {
  const context = await browser.newContext({
    viewport: { width: view.width, height: view.height },
    colorScheme: view.colorScheme,
    serviceWorkers: 'block',
  });
  const page = await context.newPage();
  if (view.media) await page.emulateMedia({ media: view.media });
  const seen = { view: view.name, requests: [], errors: [], dialogs: [] };
  await page.route('**/*', (route) => (route.request().url() === url ? route.continue() : route.abort()));
  page.on('request', (request) => request.url() === url || seen.requests.push(request.url()));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && seen.errors.push(message.text()));
  page.on('pageerror', (error) => seen.errors.push(String(error)));
  page.on('dialog', (dialog) => { seen.dialogs.push(dialog.message()); dialog.dismiss(); });
  await page.goto(url, { waitUntil: 'load' });
  seen.overflow = [await page.evaluate(overflow)];
  await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
  seen.overflow.push(await page.evaluate(overflow));
  Object.assign(seen, await page.evaluate(contents));
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document));
  seen.violations = found.violations.map(({ id, impact, nodes }) => ({ id, impact, at: nodes.slice(0, 5).map((node) => node.html.slice(0, 200)) }));
  seen.checks = found.passes.length;
  await context.close();
  return seen;
}

// How many pixels the page is wider than the window.
function overflow() {
  return document.documentElement.scrollWidth - window.innerWidth;
}

function contents() {
  const shown = (one) => one.getClientRects().length > 0;
  return {
    scripts: document.querySelectorAll('script').length,
    handlers: [...document.querySelectorAll('*')].filter((one) => one.getAttributeNames().some((name) => name.startsWith('on'))).length,
    headings: [...document.querySelectorAll('h1, h2, h3')].map((one) => one.tagName),
    names: [...document.querySelectorAll('bdi')].map((one) => one.textContent),
    drawings: [...document.querySelectorAll('svg')].filter(shown).length,
    clipped: [...document.querySelectorAll('svg text')].filter(shown).filter((text) => {
      const [inner, outer] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
      return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
    }).map((text) => text.textContent),
  };
}

async function main([path, executablePath]) {
  const browser = await chromium.launch({ executablePath, args: OPTIONS });
  const url = pathToFileURL(path).href;
  const seen = [];
  for (const view of VIEWS) seen.push(await look(browser, url, view));
  await browser.close();
  console.log(JSON.stringify(seen));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
