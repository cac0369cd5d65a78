for (let i = 0; i < 300_000; i++) parent.postMessage({ type: 'hello', i }, '*');
setInterval(() => {
  for (let i = 0; i < 1000; i++) parent.postMessage({ type: 'hello', i }, '*');
}, 10);
