parent.postMessage({ type: 'hello' }, '*');
for (;;);
