// node docs.mjs SERVER: opens the page of the API at SERVER/docs/ in Chromium, unfolds an operation, and prints as JSON what
// is to be seen: {"operations": ["POST /api/notes", ...], "complaints": [...]}. A complaint is a request to anyone but
// SERVER, a violation of the page's policy, a failed load, or an error in the console.
import { chromium } from 'playwright-core';

const [server] = process.argv.slice(2);
const complaints = [];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--disable-gpu', '--no-first-run'] });
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.exposeFunction('violated', (what) => complaints.push(`policy: ${what}`));
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      globalThis.violated(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${server}/`) && !url.startsWith('data:')) complaints.push(`a request to ${url}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(`${server}/docs/`);
  await page.waitForSelector('.opblock-summary-path', { timeout: 30_000 });
  const operations = await page.$$eval('.opblock-summary', (all) =>
    all.map((one) => {
      const text = (name) => one.querySelector(name).textContent.replace(/\u200b/g, '').trim();
      return `${text('.opblock-summary-method')} ${text('.opblock-summary-path')}`;
    }));
  await page.click('.opblock-summary-post');
  await page.waitForSelector('.opblock-body .responses-table', { timeout: 30_000 });
  console.log(JSON.stringify({ operations, complaints }));
} finally {
  await browser.close();
}
