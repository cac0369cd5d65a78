// The Rename layers tab: pictures of the selected layers go to the server, new names come back, the designer chooses.
import { cut } from '../shared/cut';
import {
  Sentence,
  kBodyMax,
  kCountMax,
  kLayersMax,
  type ExportedLayers,
  type NewName,
  type Renamed,
  type Selection,
} from '../shared/messages';
import { busyWith, isBusy, voiceOf, type Task } from './activity';
import { askCanvas } from './canvas';
import { byId } from './dom';
import { asJson, runJob } from './jobs';
import { nameRow, type NameRow } from './name_row';
import { forgetPictures, toBase64 } from './pictures';
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

const voice = voiceOf('tab-rename');

let selection: Selection = { selected: 0, inside: 0, variants: 0, frame: null };
let offered: NameRow[] = [];
let pictures: Uint8Array[] = [];

// "2 layers selected, with 6,000 more inside. The first 500 are sent, then you can go on with the others."
function selected({ selected, inside: more, variants }: Selection): string {
  if (selected === 0) return 'Select layers or frames on the canvas.';
  const others = selected + more >= kCountMax ? `more than ${count(kCountMax, 'other')}` : `${more.toLocaleString('en')} more`;
  const parts = [`${count(selected, 'layer')} selected${more > 0 ? `, with ${others} inside` : ''}.`];
  const asked = selected + (inside.checked ? more : 0);
  if (asked > kLayersMax) parts.push(`The first ${kLayersMax} are sent; select the others after these.`);
  if (variants) parts.push(keptVariants(variants));
  return parts.join(' ');
}

const keptVariants = (variants: number): string =>
  variants === 1
    ? '1 variant keeps its name and those inside it: the component set goes by them.'
    : `${count(variants, 'variant')} keep their names and those inside them: the component set goes by them.`;

export function showRename(now = selection): void {
  selection = now;
  byId('rename-selection').textContent = selected(now);
  start.disabled = isBusy() || now.selected === 0;
  apply.disabled = isBusy() || !offered.some((row) => row.chosen());
}
inside.addEventListener('change', () => showRename());

function choiceChanged(): void {
  const chosen = offered.filter((row) => row.chosen()).length;
  all.checked = chosen === offered.length;
  all.indeterminate = chosen > 0 && chosen < offered.length;
  byId('names-chosen').textContent = `${chosen} of ${offered.length} chosen`;
  showRename();
}

function clear(): void {
  offered = [];
  list.replaceChildren();
  forgetPictures(pictures);
  pictures = [];
  results.hidden = true;
}

function showOnCanvas(id: string): void {
  askCanvas('showLayer', { id }).catch((error: Error) => voice.complain(error.message));
}

function preview(names: NewName[], { layers }: ExportedLayers): void {
  const byLayer = new Map(layers.map((layer) => [layer.id, layer]));
  offered = names.flatMap((name) => {
    const layer = byLayer.get(name.id);
    if (!layer) return [];
    pictures.push(layer.picture);
    return [nameRow(name, layer, choiceChanged, showOnCanvas)];
  });
  list.replaceChildren(...offered.map(({ element }) => element));
  results.hidden = names.length === 0;
  choiceChanged();
  if (names.length === 0) return;
  heading.focus();
  heading.scrollIntoView();
}

// "47 new names. 3 layers keep their names. 2 layers left out: nothing of them can be seen."
function summary(names: NewName[], { layers, unseen, beyond, variants }: ExportedLayers): string {
  const parts = [`${count(names.length, 'new name')}.`];
  const kept = layers.length - names.length;
  if (kept) parts.push(`${count(kept, 'layer')} ${kept === 1 ? 'keeps its name' : 'keep their names'}.`);
  if (unseen) parts.push(`${count(unseen, 'layer')} left out: nothing of ${unseen === 1 ? 'it' : 'them'} can be seen.`);
  if (variants) parts.push(keptVariants(variants));
  if (beyond) {
    const sent = layers.length + unseen;
    parts.push(`${count(beyond, 'layer')} beyond the first ${sent} ${beyond === 1 ? 'was' : 'were'} not sent.`);
  }
  return parts.join(' ');
}

// "47 layers renamed. 1 layer is gone. Undo takes all of it back."
function outcome({ renamed, gone, changed, refused, reason }: Renamed): string {
  const parts = [`${count(renamed, 'layer')} renamed.`];
  if (gone) parts.push(`${count(gone, 'layer')} ${gone === 1 ? 'is' : 'are'} gone.`);
  if (changed) parts.push(`${count(changed, 'layer')} got another name meanwhile and ${changed === 1 ? 'keeps' : 'keep'} it.`);
  if (refused) parts.push(`Figma refused ${count(refused, 'name')}: ${reason.replace(/^in \w+: /, '').replace(/\.$/, '')}.`);
  if (renamed) parts.push('Undo takes all of it back.');
  return parts.join(' ');
}

async function ask({ signal, phase, progress }: Task): Promise<{ names: NewName[]; exported: ExportedLayers }> {
  phase('Taking pictures of the layers');
  const exported = await askCanvas('exportLayers', { inside: inside.checked });
  const layers = exported.layers.map(({ id, name, type, picture }) => ({
    id,
    type,
    currentName: cut(name, 1000),
    imageBase64: toBase64(picture),
  }));
  const body = asJson('/api/rename-layers', { ...whoAsks(), layers });
  if (new Blob([body]).size > kBodyMax) throw new Sentence('These layers are too large to send; select fewer of them.');
  if (!signal.aborted) phase(`Sending ${count(layers.length, 'layer')}`);
  const names = readNames(await runJob(server(), '/api/rename-layers', body, signal, progress), exported.layers);
  if (!names) throw server().refusal('stranger');
  return { names, exported };
}

start.addEventListener('click', async () => {
  clear();
  const answer = await busyWith(voice, start, ask);
  if (!answer) return;
  voice.say(summary(answer.names, answer.exported));
  preview(answer.names, answer.exported);
});

all.addEventListener('change', () => {
  for (const row of offered) row.choose(all.checked);
  choiceChanged();
});

apply.addEventListener('click', async () => {
  const chosen = offered.filter((row) => row.chosen()).map((row) => row.name());
  apply.disabled = true; // and again by showRename
  try {
    const told = await askCanvas('applyNames', chosen);
    clear();
    if (told.renamed) voice.say(outcome(told));
    else voice.complain(outcome(told));
    start.focus();
  } catch (error) {
    voice.complain((error as Error).message);
  }
  showRename();
});

byId('names-discard').addEventListener('click', () => {
  clear();
  voice.say('The new names are discarded.');
  showRename();
  start.focus();
});
