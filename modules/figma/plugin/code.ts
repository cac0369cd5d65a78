// The canvas side of the plugin: runs in Figma's sandbox, reads and changes the document, and does what the panel
// (ui.ts) asks. It has no network, and changes nothing before the designer presses Apply.
import { applyEdits, applyNames, showLayer } from './canvas/applying';
import { exportFrame, exportLayers, stopExport } from './canvas/exporting';
import { selectionNow } from './canvas/tree';
import { Sentence, type Asks, type Settings, type ToCanvas, type ToPanel } from './shared/messages';

declare const DEFAULT_SERVER: string; // build.mjs

const kSettings = `settings of ${DEFAULT_SERVER}`; // a plugin built for another server begins anew

const tell = (message: ToPanel): void => figma.ui.postMessage(message);

const answers: { [K in keyof Asks]: (ask: Asks[K]['ask']) => Promise<Asks[K]['answer']> } = {
  exportLayers: ({ inside }) => exportLayers(inside, (done, of) => tell({ kind: 'exporting', done, of })),
  exportFrame: () => exportFrame(),
  applyNames,
  applyEdits,
  showLayer,
  saveSettings: async (settings) => {
    await figma.clientStorage.setAsync(kSettings, settings);
    return null;
  },
};

async function answer(number: number, work: Promise<unknown>): Promise<void> {
  try {
    tell({ kind: 'answer', number, body: await work });
  } catch (error) {
    const sentence =
      error instanceof Sentence ? error.message : 'Figma could not do that; close the plugin and open it again.';
    tell({ kind: 'refusal', number, sentence });
  }
}

const tellSelection = (): void => tell({ kind: 'selection', selection: selectionNow() });

async function begin(): Promise<void> {
  const settings = (await figma.clientStorage.getAsync(kSettings).catch(() => null)) as Settings | null;
  tell({ kind: 'start', settings: settings ?? null, userId: figma.currentUser?.id ?? null });
  tellSelection();
}

figma.showUI(__html__, { themeColors: true, width: 400, height: 640 });
figma.ui.onmessage = (message: ToCanvas) => {
  if (message.kind === 'ready') void begin();
  else if (message.kind === 'stopExport') stopExport();
  else if (message.kind === 'close') figma.closePlugin();
  else void answer(message.number, answers[message.what](message.body as never));
};
figma.on('selectionchange', tellSelection);
figma.on('currentpagechange', tellSelection);
