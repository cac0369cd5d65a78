// The one thing the panel is busy with: its progress, its Cancel button, what came of it. Nothing starts meanwhile. Each
// tab has its own last sentence, shown while the tab is.
import { Sentence } from '../shared/messages';
import { tellCanvas } from './canvas';
import { byId } from './dom';
import type { Progress } from './jobs';
import { Cancelled, Refusal } from './server';

const box = byId('activity');
const bar = byId<HTMLProgressElement>('progress');
const step = byId('step');
const status = byId('status');
const problem = byId('problem');
const cancelButton = byId<HTMLButtonElement>('cancel');

let running: AbortController | null = null;
let onChange = (): void => undefined;

export interface Task {
  signal: AbortSignal;
  phase(text: string): void; // read aloud
  progress(progress: Progress): void;
}

export const isBusy = (): boolean => running !== null;
export function whenBusyChanges(fn: () => void): void {
  onChange = fn;
}

export interface Voice {
  say(text: string): void;
  complain(text: string): void;
}

interface Said {
  text: string;
  wrong: boolean;
}
const said = new Map<string, Said>();
let shownTab = '';

function tell(): void {
  const { text, wrong } = said.get(shownTab) ?? { text: '', wrong: false };
  status.textContent = wrong ? '' : text;
  problem.textContent = wrong ? text : '';
}

export function showSentenceOf(tab: string): void {
  shownTab = tab;
  tell();
}

export function voiceOf(tab: string): Voice {
  const put = (text: string, wrong: boolean): void => {
    said.set(tab, { text, wrong });
    if (tab === shownTab) tell();
  };
  return { say: (text) => put(text, false), complain: (text) => put(text, true) };
}

export function cancelActivity(): void {
  running?.abort();
}
cancelButton.addEventListener('click', cancelActivity);

function show({ share, text }: Progress): void {
  if (share === null) bar.removeAttribute('value');
  else bar.value = share;
  step.textContent = share === null ? text : `${text} (${Math.round(share)} %)`;
}

// What the work gives; null when it failed or was cancelled, which has been told then. `after` gets the focus if it was
// on the Cancel button, which vanishes.
export async function busyWith<T>(
  { say, complain }: Voice,
  after: HTMLElement,
  work: (task: Task) => Promise<T>,
): Promise<T | null> {
  if (running) return null;
  const mine = (running = new AbortController());
  const { signal } = mine;
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Cancelled())));
  say('');
  show({ share: null, text: '' });
  box.hidden = false;
  onChange();
  cancelButton.focus();
  try {
    const task: Task = {
      signal,
      phase: (text) => {
        if (signal.aborted) return;
        say(text);
        show({ share: null, text });
      },
      progress: (progress) => {
        if (signal.aborted) return;
        show(progress);
        if (progress.trouble) say(`${progress.text}…`);
      },
    };
    return await Promise.race([work(task), aborted]);
  } catch (error) {
    if (error instanceof Cancelled) {
      tellCanvas({ kind: 'stopExport' });
      say('Cancelled. Nothing was changed.');
    } else if (error instanceof Refusal || error instanceof Sentence) {
      complain(error.message);
    } else {
      complain('Something went wrong in the plugin; close it and open it again.');
      console.error(error);
    }
    return null;
  } finally {
    running = null;
    const focused = document.activeElement === cancelButton || document.activeElement === document.body;
    box.hidden = true;
    onChange();
    if (focused) after.focus();
  }
}
