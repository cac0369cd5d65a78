// Between a running plugin and the shell. The plugin is a stranger's page in an iframe without an origin: it may send what
// it likes, as often as it likes. It says {type: 'hello'} to its parent, once, and is handed a port; over that it hears
//
//   {type: 'session', protocol: 1, team: {id, name}, user: {name}, theme, config, token, expiresAt, permissions}
//   {type: 'token', token, expiresAt, permissions}       before the last one ends, and when it says {type: 'token'}
//   {type: 'theme', theme}                               'light' or 'dark'
//   {type: 'trouble', message}                           there is no token, for a person's eyes
//
//   B1  Only what the frame's own window sends is heard, and of that only a `hello` and what comes by its port.
//   B2  A message over the rate is dropped before it is looked at; who sends far too many is closed.
//   B3  A frame that loads another document is closed: it is not the page that the token was made for.
import { type Answer, troubleOf } from './api';

export type Token = Answer<'post', '/api/v1/teams/{id}/plugins/{slug}/token'>;
export interface Session {
  team: { id: string; name: string };
  user: { name: string };
  config: unknown;
}

const kHeard = 50; // messages a second
const kFlood = 1000; // more than may be heard, in a row of seconds that each have too many
const kEarly = 60_000; // milliseconds before its end that a token is made anew
const kOften = 5000; // milliseconds between two that the plugin asks for
const kRetry = 15_000; // milliseconds until a token that failed is tried again

const dark = matchMedia('(prefers-color-scheme: dark)');
const theme = (): 'dark' | 'light' => (dark.matches ? 'dark' : 'light');

export class Broker {
  #port: MessagePort | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  #made = -Infinity;
  #second = { begun: 0, messages: 0 };
  #dropped = 0;
  #loads = 0;
  #closed = false;

  constructor(
    private readonly frame: HTMLIFrameElement,
    private readonly session: Session,
    private readonly makeToken: () => Promise<Token>,
    private readonly over: (why: string) => void, // it is closed, with a sentence
  ) {
    addEventListener('message', this.#heard);
    dark.addEventListener('change', this.#themeChanged);
    frame.addEventListener('load', this.#loaded);
  }

  close(): void {
    this.#closed = true;
    removeEventListener('message', this.#heard);
    dark.removeEventListener('change', this.#themeChanged);
    this.frame.removeEventListener('load', this.#loaded);
    clearTimeout(this.#renewal);
    this.#port?.close();
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.close();
    this.over(why);
  }

  #loaded = (): void => {
    if (++this.#loads > 1) this.#end('This plugin was closed because it went to another page. Reload to open it again.'); // B3
  };

  // B2
  #mayBeHeard(): boolean {
    const now = performance.now();
    if (now - this.#second.begun >= 1000) {
      if (this.#second.messages <= kHeard) this.#dropped = 0;
      this.#second = { begun: now, messages: 0 };
    }
    if (++this.#second.messages <= kHeard) return true;
    if (++this.#dropped > kFlood) this.#end('This plugin was closed because it sent too many messages. Reload to open it again.');
    return false;
  }

  #heard = (event: MessageEvent): void => {
    if (event.source !== this.frame.contentWindow || this.#closed || !this.#mayBeHeard()) return; // B1
    if (this.#port || (event.data as { type?: unknown } | null)?.type !== 'hello') return;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = this.#asked;
    // Its origin is opaque: it has no name that it could be addressed by.
    this.frame.contentWindow?.postMessage({ type: 'welcome' }, '*', [port2]);
    void this.#renew((token) => ({ type: 'session', protocol: 1, ...this.session, theme: theme(), ...token }));
  };

  #asked = (event: MessageEvent): void => {
    if (this.#closed || !this.#mayBeHeard()) return;
    const { type } = (event.data ?? {}) as { type?: unknown };
    if (type === 'token' && performance.now() - this.#made > kOften) void this.#renew((token) => ({ type: 'token', ...token }));
  };

  async #renew(as: (token: Token) => object): Promise<void> {
    this.#made = performance.now();
    clearTimeout(this.#renewal);
    try {
      const token = await this.makeToken();
      if (this.#closed) return;
      this.#port?.postMessage(as(token));
      const left = Date.parse(token.expiresAt) - Date.now() - kEarly;
      this.#renewal = setTimeout(() => void this.#renew((next) => ({ type: 'token', ...next })), Math.max(left, kOften));
    } catch (thrown) {
      const trouble = troubleOf(thrown);
      if (this.#closed) return;
      if ([401, 403, 404].includes(trouble.status)) return this.#end(`This plugin was closed: ${trouble.message}.`);
      this.#port?.postMessage({ type: 'trouble', message: trouble.message });
      this.#renewal = setTimeout(() => void this.#renew(as), kRetry);
    }
  }

  #themeChanged = (): void => this.#port?.postMessage({ type: 'theme', theme: theme() });
}
