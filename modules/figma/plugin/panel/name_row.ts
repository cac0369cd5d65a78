// One new name to choose: the layer's picture, its old name, and the new one, which can be edited.
import type { ExportedLayer, NewName } from '../shared/messages';
import { make } from './dom';
import { pictureUrl } from './pictures';

export interface NameRow {
  element: HTMLElement;
  chosen(): boolean;
  choose(yes: boolean): void;
  name(): NewName; // with what the designer made of it
}

const kNameMax = 255;

export function nameRow(
  offered: NewName,
  layer: ExportedLayer,
  changed: () => void,
  show: (id: string) => void,
): NameRow {
  const { id, oldName } = offered;
  const box = make('input', { type: 'checkbox', checked: true });
  const input = make('input', { type: 'text', value: offered.newName, maxLength: kNameMax, dir: 'auto' });
  input.autocomplete = 'off';
  input.spellcheck = false;
  input.setAttribute('aria-label', `New name of ${oldName}`);
  const picture = make('img', { src: pictureUrl(layer.picture), alt: '', decoding: 'async' });
  const button = make('button', { type: 'button', className: 'thumbnail', title: 'Show on the canvas' }, picture);
  button.setAttribute('aria-label', `Show ${oldName} on the canvas`);
  const newName = (): string => input.value.trim();
  const tell = (): void => {
    box.setAttribute('aria-label', `${oldName} → ${newName()}`);
    changed();
  };
  box.setAttribute('aria-label', `${oldName} → ${newName()}`);
  box.addEventListener('change', changed);
  input.addEventListener('input', tell);
  button.addEventListener('click', () => show(id));
  const element = make(
    'li',
    {},
    make('label', { className: 'tick' }, box),
    button,
    make('bdi', { className: 'old', title: oldName }, oldName),
    make('span', { className: 'arrow', ariaHidden: 'true' }, '→'),
    input,
  );
  return {
    element,
    chosen: () => box.checked && newName() !== '' && newName() !== oldName,
    choose: (yes) => (box.checked = yes),
    name: () => ({ id, oldName, newName: newName() }),
  };
}
