// Which server, and who asks: the Server section of the panel, and what Figma says of the user.
import type { Settings } from '../shared/messages';
import { voiceOf } from './activity';
import { askCanvas } from './canvas';
import { byId } from './dom';
import { Server } from './server';

declare const DEFAULT_SERVER: string; // build.mjs
declare const REACHABLE: string[]; // origins that the manifest lets Figma reach: build.mjs

const { say } = voiceOf('tab-settings');
const hint = byId('hint');

const addressInput = byId<HTMLInputElement>('server-address');
const tokenInput = byId<HTMLInputElement>('server-token');
const formProblem = byId('server-problem');

let settings: Settings = { server: DEFAULT_SERVER, token: '' };
let userId: string | null = null;
let onChange = (): void => undefined;

export const server = (): Server => new Server(settings.server, settings.token);

// Figma tells no address, and the API needs one: .invalid is a name that can never be reached (RFC 2606).
export function whoAsks(): { userEmail: string; userId?: string } {
  return userId
    ? { userEmail: `${userId.slice(0, 200)}@figma.invalid`, userId: userId.slice(0, 255) }
    : { userEmail: 'anonymous@figma.invalid' };
}

// What may be used as an address; or the sentence that says why not.
export function readAddress(text: string): { address: string } | { why: string } {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    return { why: 'This is not an address; it should look like https://plugins.example.org.' };
  }
  if (!REACHABLE.includes(url.origin)) return { why: whyNot(url) };
  return { address: url.origin + url.pathname.replace(/\/+$/, '') };
}

function whyNot(url: URL): string {
  const local = `http://localhost${url.port && `:${url.port}`}`;
  if (/^[\d.]+$|^\[/.test(url.hostname)) {
    const way = REACHABLE.includes(local) ? `write ${local}` : 'use its name';
    return `Figma reaches no address that is made of numbers; ${way}.`;
  }
  const can = REACHABLE.join(' or ');
  if (url.hostname === 'localhost') {
    return `This plugin was built to reach ${can} only. On the machine of the other fleet, make plugin builds one for it.`;
  }
  if (url.protocol !== 'https:') {
    return 'The address must begin with https://, or anyone on the way could read your pictures.';
  }
  return `This plugin was built to reach ${can} only, and Figma holds it to that. For another server build it with make plugin SERVER=${url.origin}.`;
}

function show(): void {
  addressInput.value = settings.server;
  tokenInput.value = settings.token;
  for (const place of document.querySelectorAll('[data-server]')) place.textContent = settings.server;
  byId('sent-as').textContent = whoAsks().userEmail;
}

function complain(why: string): void {
  formProblem.textContent = why;
  addressInput.setAttribute('aria-invalid', String(why !== ''));
}

function save(): void {
  const read = readAddress(addressInput.value);
  complain('why' in read ? read.why : '');
  if ('why' in read) {
    addressInput.focus();
    return;
  }
  const moved = new URL(read.address).origin !== new URL(settings.server).origin;
  const stale = moved && tokenInput.value !== '' && tokenInput.value === settings.token;
  settings = { ...settings, server: read.address, token: stale ? '' : tokenInput.value.trim() };
  show();
  askCanvas('saveSettings', settings).then(
    () => say(stale ? 'Saved. The access token was another server’s and is forgotten.' : 'Saved.'),
    () => say('This holds until the plugin is closed; Figma could not save it.'),
  );
  onChange();
}
// No form: a sandbox may forbid those.
byId('server-save').addEventListener('click', save);
for (const input of [addressInput, tokenInput])
  input.addEventListener('keydown', (event) => event.key === 'Enter' && save());

byId('hint-done').addEventListener('click', () => {
  hint.hidden = true;
  settings = { ...settings, hinted: true };
  void askCanvas('saveSettings', settings).catch(() => undefined); // then it comes again
  byId('tab-rename').focus();
});

export function beginSession(stored: Settings | null, figmaUser: string | null, changed: () => void): void {
  const read = stored && readAddress(String(stored.server));
  if (stored?.hinted) settings = { ...settings, hinted: true };
  if (stored && read && 'address' in read) settings = { ...stored, server: read.address, token: String(stored.token ?? '') };
  hint.hidden = settings.hinted === true;
  userId = figmaUser;
  onChange = changed;
  show();
}
