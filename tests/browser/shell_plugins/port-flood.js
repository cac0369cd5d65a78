addEventListener('message', ({ ports: [port] }) => {
  setInterval(() => {
    for (let i = 0; i < 1000; i++) port.postMessage({ type: 'token', text: 'x'.repeat(1000) });
  }, 10);
});
parent.postMessage({ type: 'hello' }, '*');
