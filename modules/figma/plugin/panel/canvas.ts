// The panel's line to the canvas side (code.ts).
import { Sentence, type Asks, type ToCanvas, type ToPanel } from '../shared/messages';

interface Waiting {
  resolve: (body: never) => void;
  reject: (error: Error) => void;
}
const waiting = new Map<number, Waiting>();
let asked = 0;

export function tellCanvas(message: ToCanvas): void {
  parent.postMessage({ pluginMessage: message }, '*');
}

export function askCanvas<K extends keyof Asks>(what: K, body: Asks[K]['ask']): Promise<Asks[K]['answer']> {
  return new Promise((resolve, reject) => {
    const number = ++asked;
    waiting.set(number, { resolve, reject });
    tellCanvas({ kind: 'ask', number, what, body } as ToCanvas);
  });
}

// Answers go to whoever asked, all else to `hear`.
export function listenToCanvas(hear: (message: ToPanel) => void): void {
  window.addEventListener('message', (event: MessageEvent<{ pluginMessage?: ToPanel } | null>) => {
    const message = event.data?.pluginMessage;
    if (!message) return;
    if (message.kind !== 'answer' && message.kind !== 'refusal') return hear(message);
    const asker = waiting.get(message.number);
    waiting.delete(message.number);
    if (message.kind === 'answer') asker?.resolve(message.body as never);
    else asker?.reject(new Sentence(message.sentence));
  });
}
