// One Chromium with a fake Figma in it, the wire to the fleet, and what a test does with them.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { servePages } from './pages.mjs';
import { unreadable } from './readable.mjs';
import { openWire } from './wire.mjs';

const kFlags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-blink-features=ComputedAccessibilityInfo',
];
const kPatience = 30_000; // milliseconds: sanitizer builds are slow

export class Session {
  requests = [];
  jobs = [];
  complaints = [];

  // Closed after open() failed, too.
  constructor({ server, provider, screenshots }) {
    Object.assign(this, { fleet: server, providerUrl: provider, screenshots });
  }

  async open() {
    this.wire = await openWire(this.fleet);
    this.server = this.wire.url;
    this.pages = await servePages(this.server);
    this.browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: kFlags });
    const context = await this.browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 760 } });
    context.setDefaultTimeout(kPatience);
    context.on('request', (request) => this.#saw(request));
    this.page = await context.newPage();
    this.page.on('pageerror', (error) => this.complaints.push(`uncaught: ${error.message}`));
    this.page.on('console', (message) => this.#hear(message));
    await this.page.goto(`${this.pages.url}/host.html`);
    await this.page.waitForFunction('globalThis.host');
    this.ui = this.page.frameLocator('section iframe');
  }

  #saw(request) {
    const { pathname, origin } = new URL(request.url());
    if (origin === this.pages.url || request.url().startsWith('blob:')) return;
    if (origin !== this.server) this.complaints.push(`a request to ${origin}`);
    const seen = { method: request.method(), path: pathname, status: null };
    Object.defineProperty(seen, 'sent', { value: () => request.postDataJSON() }); // not for confess()
    this.requests.push(seen);
    this.#answered(request, seen).catch(() => {}); // or the browser is closing
  }

  async #answered(request, seen) {
    const response = await request.response();
    seen.status = response?.status() ?? 0;
    if (seen.status === 202 && seen.method === 'POST') this.jobs.push((await response.json()).jobId);
  }

  #hear(message) {
    if (message.type() !== 'error') return;
    // The browser's own word on a request that failed, which some tests are about.
    if (/^Failed to load resource/.test(message.text())) return;
    this.complaints.push(message.text());
  }

  // The body of the last request to this path.
  sent(path) {
    return this.requests.filter((one) => one.method === 'POST' && one.path === path).at(-1).sent();
  }

  // Calls a function of host.ts.
  host(name, ...args) {
    return this.page.evaluate(([name, args]) => globalThis.host[name](...args), [name, args]);
  }

  // Asks the server, not through the plugin.
  async json(path) {
    const reply = await this.page.request.get(this.server + path);
    assert.equal(reply.status(), 200);
    return reply.json();
  }

  async provider(path, options) {
    const reply = await fetch(this.providerUrl + path, options);
    assert.equal(reply.status, 200);
    return reply.json();
  }

  // Has the fake provider forget its counts and answer by these rules.
  async script(...rules) {
    await this.provider('/reset', { method: 'POST' });
    await this.provider('/script', { method: 'POST', body: JSON.stringify(rules) });
  }

  async until(condition, otherwise) {
    const deadline = Date.now() + kPatience;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(otherwise);
      await new Promise((later) => setTimeout(later, 20));
    }
  }

  // Of a state that everyone can read and hit.
  async screenshot(name) {
    await this.host('redraw');
    if (await this.page.locator('section iframe').count()) {
      const wrong = await this.ui.locator('body').evaluate(unreadable);
      if (wrong.length) this.complaints.push(`${name}: ${wrong.join('; ')}`);
    }
    await this.page.screenshot({ path: fileURLToPath(new URL(`${name}.png`, this.screenshots)) });
  }

  // What went wrong in the browser without being shown.
  check() {
    assert.deepEqual(this.complaints, []);
  }

  async confess(name) {
    console.error(JSON.stringify({ requests: this.requests, complaints: this.complaints }, null, 1));
    await this.screenshot(`failed-${name}`).catch(() => {});
  }

  async close() {
    await this.browser?.close();
    this.pages?.close();
    this.wire?.close();
  }
}
