// What a plugin's page has to do with the shell around it (web/core/broker.ts); it stands beside each sample's app.js. The
// page has an origin of its own: no cookies, no storage, and of the API what its token lets it.

let session;
let waiting = [];
let port;

// {team: {id, name}, user: {name}, config, theme, token, expiresAt, permissions}
export const begun = new Promise((resolve) => {
  addEventListener('message', ({ source, ports }) => {
    if (source !== parent || !ports[0] || port) return;
    port = ports[0];
    port.onmessage = ({ data }) => {
      if (data.type === 'trouble') return say(data.message, 'problem');
      if (data.type !== 'theme') waiting.splice(0).forEach((go) => go());
      session = { ...session, ...data };
      document.documentElement.dataset.theme = session.theme;
      if (data.type === 'session') resolve(session);
    };
  });
  parent.postMessage({ type: 'hello' }, '*');
});

const newToken = () =>
  new Promise((go, fail) => {
    waiting.push(go);
    port.postMessage({ type: 'token' });
    setTimeout(fail, 10_000, new Error('There is no new token. Reload the plugin.'));
  });

// The reply's JSON, or throws an Error with a sentence for a person. {team} in the path is the team's id.
export async function api(path, options = {}) {
  const { team } = await begun;
  for (let again = false; ; again = true) {
    const headers = { ...options.headers, Authorization: `Bearer ${session.token}` };
    const reply = await fetch(path.replace('{team}', team.id), { ...options, headers }).catch(() => {
      throw new Error('The server does not answer. Try again in a moment.');
    });
    if (reply.status === 401 && !again) await newToken();
    else if (reply.ok) return reply.json();
    else throw new Error((await reply.json().catch(() => ({}))).message ?? `The server answered ${reply.status}.`);
  }
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// In the page's one live region.
export function say(text, kind = 'note') {
  const place = document.getElementById('said');
  place.className = kind;
  place.textContent = text;
}

export const number = (value) => new Intl.NumberFormat('en').format(value);
