// Says who it was told of, and what the API tells it by its token.
const say = (text) => document.body.append(Object.assign(document.createElement('p'), { textContent: text }));
let tokens = 0;
addEventListener('message', ({ ports: [port] }) => {
  port.onmessage = async ({ data }) => {
    if (data.token) say(`token ${++tokens}`);
    if (data.type === 'theme') say(`now ${data.theme}`);
    if (data.type !== 'session') return;
    const headers = { Authorization: `Bearer ${data.token}` };
    const reply = await fetch(`/api/v1/teams/${data.team.id}/wallet`, { headers });
    const { available } = await reply.json();
    say(`Hello ${data.user.name} of ${data.team.name}, ${data.theme}, ${available} credits`);
  };
});
parent.postMessage({ type: 'hello' }, '*');
