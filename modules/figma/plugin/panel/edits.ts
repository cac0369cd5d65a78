// The Generate edits tab: a frame goes to the server, variants of it come back, the designer applies one.
import { cut } from '../shared/cut';
import { Sentence, kBodyMax, kLayersMax, type ExportedFrame, type Selection } from '../shared/messages';
import { busyWith, isBusy, voiceOf, type Task } from './activity';
import { feasible } from './afterwards';
import { askCanvas } from './canvas';
import { byId, make } from './dom';
import { asJson, runJob } from './jobs';
import { forgetPictures, toBase64 } from './pictures';
import { readStyles, readVariants, type Variant } from './replies';
import { count, quoted } from './sentences';
import { server, whoAsks } from './session';
import { variantCard } from './variant_card';

const start = byId<HTMLButtonElement>('generate');
const styles = byId<HTMLSelectElement>('style');
const pictures = byId<HTMLInputElement>('generate-images');
const results = byId('variants');
const cards = byId('variants-list');
const apply = byId<HTMLButtonElement>('variant-apply');
const kStylesSeconds = 10;

const voice = voiceOf('tab-edits');
let selection: Selection = { selected: 0, inside: 0, variants: 0, frame: null };
let offered: { frame: ExportedFrame; variants: Variant[] } | null = null;
let stylesOf = ''; // the address they came from

const tooMany = (layers: number): string =>
  layers > kLayersMax
    ? ` The first ${kLayersMax} are sent; ${count(layers - kLayersMax, 'layer')} ${layers - kLayersMax === 1 ? 'is' : 'are'} left out.`
    : '';

export function showEdits(now = selection): void {
  selection = now;
  byId('edits-selection').textContent = now.frame
    ? `${quoted(now.frame.name)}, ${count(now.frame.layers, 'visible layer')}.${tooMany(now.frame.layers)}`
    : 'Select one frame, component or instance on the canvas.';
  start.disabled = isBusy() || !now.frame;
  apply.disabled = isBusy() || !cards.querySelector(':checked');
}

// Asks again only where the last answer was none, or another server's.
export async function loadStyles(): Promise<void> {
  const from = server();
  if (stylesOf === from.address) return;
  stylesOf = from.address;
  const note = byId('style-note');
  const plain = make('option', { value: '' }, 'The server’s default');
  styles.replaceChildren(plain);
  note.textContent = '';
  try {
    const read = readStyles(await from.json('get', '/api/prompts', { seconds: kStylesSeconds }));
    if (!read) throw from.refusal('stranger');
    if (stylesOf !== from.address) return;
    if (read.length)
      styles.replaceChildren(...read.map(({ filename, name }) => make('option', { value: filename }, name)));
  } catch (error) {
    if (stylesOf !== from.address) return;
    stylesOf = '';
    note.textContent = `The styles could not be loaded. ${(error as Error).message}`;
  }
}

function clear(): void {
  forgetPictures(offered?.frame.looks.map(({ picture }) => picture) ?? []);
  for (const { instructions } of offered?.variants ?? [])
    forgetPictures(instructions.map((one) => (one.action === 'generateImage' ? one.picture : null)));
  offered = null;
  cards.replaceChildren();
  results.hidden = true;
}

async function ask({ signal, phase, progress }: Task): Promise<{ frame: ExportedFrame; variants: Variant[] }> {
  phase('Reading the frame');
  const frame = await askCanvas('exportFrame', null);
  const body = asJson('/api/generate-edits', {
    ...whoAsks(),
    frameName: cut(frame.name, 1000),
    frameWidth: frame.width,
    frameHeight: frame.height,
    ...(frame.picture && { frameImageBase64: toBase64(frame.picture) }),
    layers: frame.layers,
    generateImages: pictures.checked,
    ...(styles.value && { promptFile: styles.value }),
  });
  if (new Blob([body]).size > kBodyMax) throw new Sentence('This frame is too large to send; select a smaller one.');
  phase(`Sending ${quoted(frame.name)}`);
  const variants = await readVariants(await runJob(server(), '/api/generate-edits', body, signal, progress));
  if (!variants) throw server().refusal('stranger');
  if (variants.length === 0) throw new Sentence('The server had no idea for this frame; try again, or another style.');
  return { frame, variants };
}

start.addEventListener('click', async () => {
  clear();
  offered = await busyWith(voice, start, ask);
  if (!offered) return;
  const { frame, variants } = offered;
  cards.append(...variants.map((variant, i) => variantCard(i, variant, frame)));
  results.hidden = false;
  const left = tooMany(frame.layers.length + frame.beyond);
  voice.say(`${count(variants.length, 'variant')} of ${quoted(frame.name)}. Choose one to apply.${left}`);
  showEdits();
  const heading = byId('variants-heading');
  heading.focus();
  heading.scrollIntoView();
});

cards.addEventListener('change', () => showEdits());

apply.addEventListener('click', async () => {
  const chosen = cards.querySelector<HTMLInputElement>(':checked');
  const variant = chosen && offered?.variants[Number(chosen.value)];
  if (!offered || !variant) return;
  const toCopy = byId<HTMLInputElement>('apply-copy').checked;
  const instructions = feasible(offered.frame, variant.instructions);
  apply.disabled = true; // and again by showEdits
  try {
    const { applied, skipped } = await askCanvas('applyEdits', {
      frameId: offered.frame.id,
      title: variant.theme,
      toCopy,
      instructions,
    });
    const where = toCopy ? 'to a copy beside the frame' : 'to the frame';
    const others = skipped ? ` ${count(skipped, 'change')} could not be made there.` : '';
    voice.say(`${quoted(variant.theme)} applied ${where}: ${count(applied, 'change')}.${others} Undo takes all of it back.`);
  } catch (error) {
    voice.complain((error as Error).message);
  }
  showEdits();
  apply.focus();
});
