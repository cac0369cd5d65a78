// One Chromium at the web shell of a fleet, and what a test does with it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { openWire } from './wire.mjs';

const kFlags = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const kPatience = 20_000; // milliseconds
const kRules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export class Shell {
  requests = [];
  complaints = [];

  // `given` is what the Python side made for the scenario.
  constructor({ server, given, screenshots }) {
    Object.assign(this, { fleet: server, given, screenshots });
  }

  async open() {
    this.wire = await openWire(this.fleet);
    this.server = this.wire.url;
    this.browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: kFlags });
    this.axe = await readFile(fileURLToPath(new URL('node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8');
    await this.newPage();
  }

  // Another browser's first page: who was signed in is not any more.
  async newPage(how = {}) {
    await this.context?.close();
    this.context = await this.browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: { width: 1280, height: 800 },
      permissions: ['clipboard-read', 'clipboard-write'],
      ...how,
    });
    this.context.setDefaultTimeout(kPatience);
    this.context.on('request', (request) => this.#saw(request));
    await this.context.exposeFunction('violated', (what) => this.complaints.push(`policy: ${what}`));
    await this.context.addInitScript(() =>
      document.addEventListener('securitypolicyviolation', (event) =>
        globalThis.violated?.(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)));
    this.page = await this.context.newPage();
    this.page.on('pageerror', (error) => this.complaints.push(`uncaught: ${error.message}`));
    this.page.on('console', (message) => this.#hear(message));
    return this.page;
  }

  #saw(request) {
    const { pathname, search, origin } = new URL(request.url());
    if (origin !== this.server) this.complaints.push(`a request to ${request.url()}`);
    const seen = { method: request.method(), path: pathname, search, status: null };
    this.requests.push(seen);
    request.response().then((response) => (seen.status = response?.status() ?? 0)).catch(() => {});
  }

  #hear(message) {
    if (message.type() !== 'error') return;
    // The browser's own word on a request that failed, which some tests are about.
    if (/^Failed to load resource/.test(message.text())) return;
    this.complaints.push(message.text());
  }

  // What was asked of the API since `begin`, as "GET /api/v1/...".
  asked(begin = 0) {
    return this.requests.slice(begin).filter(({ path }) => /^\/(api|auth)\//.test(path)).map(({ method, path }) => `${method} ${path}`);
  }

  // By a link of scripts/token's, once; then at `path`.
  async signIn(link, path = '/') {
    const { pathname, search } = new URL(link);
    await this.goto(`${pathname}${search}&next=${encodeURIComponent(path)}`);
  }

  async goto(path) {
    await this.page.goto(this.server + path);
    await this.settled();
  }

  // By a link of the menu, as a user goes.
  async follow(text) {
    await this.page.getByRole('navigation').getByRole('link', { name: text, exact: true }).click();
    await this.settled();
  }

  // A page is shown, and nothing of it is waited for.
  async settled() {
    await this.page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('main .skeleton'));
    await this.page.waitForFunction(() => document.getAnimations().every((one) => one.playState !== 'running'));
  }

  heading(text) {
    return this.page.getByRole('heading', { level: 1, name: text }).waitFor();
  }

  async says(text) {
    await this.page.getByText(text).first().waitFor();
  }

  async until(condition, otherwise) {
    const deadline = Date.now() + kPatience;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(otherwise);
      await new Promise((later) => setTimeout(later, 20));
    }
  }

  // Everyone can use what is shown: axe-core finds nothing, nothing goes beyond the window's sides, what can be hit has 24
  // pixels (WCAG 2.2, 2.5.8) unless it stands in a text.
  async accessible(name) {
    await this.page.evaluate(`globalThis.axe || (() => { ${this.axe} })()`);
    const found = await this.page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags }), kRules);
    for (const { id, nodes } of found.violations) {
      this.complaints.push(`${name}: ${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; ')}`);
    }
    this.complaints.push(...(await this.page.evaluate(unfit)).map((what) => `${name}: ${what}`));
  }

  // In both themes, wide and as narrow as a page may be.
  async everywhere(name, schemes = ['light', 'dark'], widths = [1280, 320]) {
    for (const width of widths) {
      await this.page.setViewportSize({ width, height: width < 400 ? 640 : 800 });
      for (const colorScheme of schemes) {
        await this.page.emulateMedia({ colorScheme });
        await this.settled();
        await this.accessible(`${name}, ${colorScheme}, ${width}`);
        await this.screenshot(`shell-${name}-${colorScheme}-${width}`);
      }
    }
    await this.page.setViewportSize({ width: 1280, height: 800 });
    await this.page.emulateMedia({ colorScheme: 'light' });
  }

  async screenshot(name) {
    const fullPage = await this.page.evaluate(() => document.scrollingElement.scrollHeight < 3000);
    await this.page.screenshot({ path: fileURLToPath(new URL(`${name}.png`, this.screenshots)), fullPage });
  }

  // What went wrong in the browser without being shown.
  check() {
    assert.deepEqual(this.complaints, []);
  }

  async confess(name) {
    console.error(JSON.stringify({ requests: this.requests.slice(-30), complaints: this.complaints }, null, 1));
    await this.screenshot(`failed-${name}`).catch(() => {});
  }

  async close() {
    await this.browser?.close();
    this.wire?.close();
  }
}

// Runs in the page.
function unfit() {
  const wrong = [];
  const call = (element) => `<${element.localName} ${element.id || element.className}> ${element.textContent.trim().slice(0, 40)}`;
  if (document.scrollingElement.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5);
    wrong.push(`${document.scrollingElement.scrollWidth} pixels wide: ${wide.slice(0, 3).map(call).join(', ')}`);
  }
  for (const element of document.querySelectorAll('button, input, select, summary, nav a')) {
    if (!element.checkVisibility() || element.closest('.unseen')) continue;
    const { width, height } = (element.closest('label') ?? element).getBoundingClientRect();
    if (Math.min(width, height) < 24) wrong.push(`${width} x ${height} ${call(element)}`);
  }
  return wrong;
}
