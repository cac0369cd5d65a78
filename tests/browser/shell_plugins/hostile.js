// Tries what it must not be able to, and says what came of each.
const tried = {};
const attempt = async (name, act) => {
  try {
    tried[name] = String(await act());
  } catch (error) {
    tried[name] = `refused: ${error.name}`;
  }
};
const status = async (path, options) => (await fetch(path, options)).status;
await attempt('cookie', () => document.cookie || 'none');
await attempt('storage', () => localStorage.length);
await attempt('session storage', () => sessionStorage.length);
await attempt('database', () => new Promise((yes, no) => {
  const request = indexedDB.open('a');
  request.onsuccess = yes;
  request.onerror = () => no(request.error);
}));
await attempt('parent', () => parent.document.title);
await attempt('top', () => { top.location = '/team'; return location.ancestorOrigins?.length && 'tried'; });
await attempt('popup', () => (open('/team') ? 'opened' : 'none'));
await attempt('profile', () => status('/api/v1/user/profile', { credentials: 'include' }));
await attempt('profile without asking', () => status('/api/v1/user/profile'));
await attempt('another server', () => status('https://localhost:1/'));
await attempt('a form', () => { const form = document.createElement('form'); form.action = '/auth/sign-out'; form.method = 'POST'; document.body.append(form); form.submit(); return 'sent'; });
await attempt('a worker', () => { new Worker('app.js'); return 'made'; });
await attempt('a frame', () => new Promise((done) => {
  const frame = document.createElement('iframe');
  frame.src = '/';
  frame.onload = () => { try { done(frame.contentDocument ? 'read' : 'not read'); } catch (error) { done(`refused: ${error.name}`); } };
  document.body.append(frame);
  setTimeout(done, 2000, 'nothing came');
}));
for (const words of [{ type: 'hello' }, { type: 'token' }, null, 1, 'hello', { type: { toString: 1 } }]) parent.postMessage(words, '*');
await attempt('token', () => new Promise((done) => {
  addEventListener('message', ({ ports: [port] }) => {
    port.onmessage = async ({ data }) => done(await status('/api/v1/user/tokens', { headers: { Authorization: `Bearer ${data.token}` } }));
  });
  setTimeout(done, 3000, 'nothing came');
}));
document.body.append(Object.assign(document.createElement('pre'), { id: 'report', textContent: JSON.stringify(tried) }));
