// The Rename layers tab: pictures of the selected layers go to the server, new names come back, the designer chooses.
import { cut } from '../shared/cut';
import { Sentence, kBodyMax, type ExportedLayers, type NewName, type Selection } from '../shared/messages';
import { busyWith, complain, isBusy, say, type Task } from './activity';
import { askCanvas } from './canvas';
import { byId, make } from './dom';
import { runJob } from './jobs';
import { toBase64 } from './pictures';
import { readNames } from './replies';
import { count } from './sentences';
import { server, whoAsks } from './session';

const start = byId<HTMLButtonElement>('rename');
const inside = byId<HTMLInputElement>('rename-inside');
const results = byId('names');
const heading = byId('names-heading');
const list = byId<HTMLUListElement>('names-list');
const all = byId<HTMLInputElement>('names-all');
const apply = byId<HTMLButtonElement>('names-apply');

let selection: Selection = { selected: 0, withInside: 0, frame: null };
let offered: { name: NewName; box: HTMLInputElement }[] = [];

export function showRename(now = selection): void {
  selection = now;
  const { selected, withInside } = now;
  const more = withInside - selected;
  byId('rename-selection').textContent =
    selected === 0
      ? 'Select layers or frames on the canvas.'
      : `${count(selected, 'layer')} selected${more > 0 ? `, with ${more} more inside` : ''}.`;
  start.disabled = isBusy() || selected === 0;
  apply.disabled = isBusy() || offered.every(({ box }) => !box.checked);
}

function boxesChanged(): void {
  const checked = offered.filter(({ box }) => box.checked).length;
  all.checked = checked === offered.length;
  all.indeterminate = checked > 0 && checked < offered.length;
  byId('names-chosen').textContent = `${checked} of ${offered.length} chosen`;
  showRename();
}

function clear(): void {
  offered = [];
  list.replaceChildren();
  results.hidden = true;
}

function preview(names: NewName[]): void {
  offered = names.map((name) => ({ name, box: make('input', { type: 'checkbox', checked: true }) }));
  list.replaceChildren(
    ...offered.map(({ name, box }) => {
      const words = [
        make('span', { className: 'old' }, name.oldName),
        make('span', { className: 'arrow' }, ' → '),
        make('span', { className: 'new' }, name.newName),
      ];
      box.addEventListener('change', boxesChanged);
      return make('li', {}, make('label', {}, box, make('span', {}, ...words)));
    }),
  );
  results.hidden = names.length === 0;
  boxesChanged();
  if (names.length) heading.focus();
}

// "47 new names. 3 layers keep theirs, 2 show nothing to name them by."
function summary(names: NewName[], { layers, unseen, beyond }: ExportedLayers): string {
  const parts = [`${count(names.length, 'new name')}.`];
  const kept = layers.length - names.length;
  if (kept) parts.push(`${count(kept, 'layer')} ${kept === 1 ? 'keeps its name' : 'keep their names'}.`);
  if (unseen) parts.push(`${count(unseen, 'layer')} left out: nothing of ${unseen === 1 ? 'it' : 'them'} can be seen.`);
  if (beyond) parts.push(`Only the first ${layers.length + unseen} layers were sent; rename the others after these.`);
  return parts.join(' ');
}

async function ask({ signal, phase, progress }: Task): Promise<{ names: NewName[]; told: string }> {
  phase('Taking pictures of the layers');
  const exported = await askCanvas('exportLayers', { inside: inside.checked });
  const layers = exported.layers.map(({ id, name, type, picture }) => ({
    id,
    type,
    currentName: cut(name, 1000),
    imageBase64: toBase64(picture),
  }));
  const body = JSON.stringify({ ...whoAsks(), layers });
  if (new Blob([body]).size > kBodyMax) throw new Sentence('These layers are too large to send; select fewer of them.');
  if (!signal.aborted) phase(`Sending ${count(layers.length, 'layer')}`);
  const names = readNames(await runJob(server(), '/api/rename-layers', body, signal, progress), exported.layers);
  if (!names) throw server().refusal('stranger');
  return { names, told: summary(names, exported) };
}

start.addEventListener('click', async () => {
  clear();
  const answer = await busyWith(start, ask);
  if (!answer) return;
  say(answer.told);
  preview(answer.names);
});

all.addEventListener('change', () => {
  for (const { box } of offered) box.checked = all.checked;
  boxesChanged();
});

apply.addEventListener('click', async () => {
  const chosen = offered.filter(({ box }) => box.checked).map(({ name }) => name);
  apply.disabled = true; // and again by showRename
  try {
    const { renamed, left } = await askCanvas('applyNames', chosen);
    clear();
    const others = left ? ` ${count(left, 'layer')} left alone: gone, or renamed meanwhile.` : '';
    say(`${count(renamed, 'layer')} renamed.${others} Undo takes all of it back.`);
    start.focus();
  } catch (error) {
    complain((error as Error).message);
  }
  showRename();
});

byId('names-discard').addEventListener('click', () => {
  clear();
  say('The new names are discarded.');
  showRename();
  start.focus();
});
