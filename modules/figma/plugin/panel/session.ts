// Which server, and who asks: the Server section of the panel, and what Figma says of the user.
import type { Settings } from '../shared/messages';
import { say } from './activity';
import { askCanvas } from './canvas';
import { byId } from './dom';
import { Server } from './server';

declare const DEFAULT_SERVER: string; // build.mjs

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
    return { why: 'This is no address; it should look like https://plugins.example.org.' };
  }
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local)) {
    return { why: 'The address must begin with https://, or anyone on the way could read your pictures.' };
  }
  return { address: url.origin + url.pathname.replace(/\/+$/, '') };
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
  settings = { server: read.address, token: stale ? '' : tokenInput.value.trim() };
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

export function beginSession(stored: Settings | null, figmaUser: string | null, changed: () => void): void {
  const read = stored && readAddress(String(stored.server));
  if (stored && read && 'address' in read) settings = { server: read.address, token: String(stored.token ?? '') };
  userId = figmaUser;
  onChange = changed;
  show();
}
