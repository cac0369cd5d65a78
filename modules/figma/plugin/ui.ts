// The panel: runs in an iframe that Figma gives no origin. It talks to the server and to the canvas side (code.ts), and
// sends nothing before the designer presses a button, but for asking the server which styles it has.
import { cancelActivity, isBusy, showSentenceOf, whenBusyChanges } from './panel/activity';
import { listenToCanvas, tellCanvas } from './panel/canvas';
import { byId } from './panel/dom';
import { loadStyles, showEdits } from './panel/edits';
import { showRename } from './panel/rename';
import { beginSession } from './panel/session';
import { setUpTabs } from './panel/tabs';

let editsShown = false;
const loadShownStyles = (): void => void (editsShown && loadStyles());

listenToCanvas((message) => {
  if (message.kind === 'start') {
    beginSession(message.settings, message.userId, loadShownStyles);
  } else if (message.kind === 'selection') {
    showRename(message.selection);
    showEdits(message.selection);
  } else if (message.kind === 'exporting') {
    showExporting(message.done, message.of);
  }
});

function showExporting(done: number, of: number): void {
  if (!isBusy()) return;
  byId<HTMLProgressElement>('progress').value = (100 * done) / of;
  byId('step').textContent = `Taking pictures: ${done} of ${of}`;
}

whenBusyChanges(() => {
  showRename();
  showEdits();
});

setUpTabs((tab) => {
  showSentenceOf(tab);
  editsShown = tab === 'tab-edits';
  loadShownStyles();
});

// Cancels what runs; else closes the plugin.
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.defaultPrevented) return;
  if (isBusy()) cancelActivity();
  else tellCanvas({ kind: 'close' });
});
window.addEventListener('pagehide', cancelActivity);

showSentenceOf('tab-rename');
showRename();
showEdits();
tellCanvas({ kind: 'ready' });
