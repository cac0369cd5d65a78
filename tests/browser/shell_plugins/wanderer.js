addEventListener('message', () => setTimeout(() => (location.href = '../../polite/1.0.0/index.html'), 500));
parent.postMessage({ type: 'hello' }, '*');
