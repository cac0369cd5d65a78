// Pictures in, names out: what the Figma plugin does, for people without Figma. Each is made small before it is sent.
import { api, make, say } from './shell.js';

const kMost = 50; // pictures at once
const kSide = 256; // pixels
const byId = (id) => document.getElementById(id);

async function shrunk(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, kSide / Math.max(picture.width, picture.height));
  const canvas = make('canvas', { width: Math.max(1, picture.width * scale), height: Math.max(1, picture.height * scale) });
  canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return canvas.toDataURL('image/png');
}

let busy = false;
async function name(files) {
  const pictures = [...files].filter(({ type }) => type.startsWith('image/')).slice(0, kMost);
  if (busy) return say('One moment: the pictures before these are still being named.');
  if (!pictures.length) return say('These are no pictures. Choose PNG, JPEG or WebP files.', 'problem');
  busy = true;
  say(`Naming ${pictures.length === 1 ? 'the picture' : `${pictures.length} pictures`}…`);
  try {
    const images = await Promise.all(pictures.map(shrunk)).catch(() => {
      throw new Error('One of the pictures can’t be read. Choose others.');
    });
    const layers = pictures.map((file, i) => ({
      id: String(i),
      imageBase64: images[i],
      currentName: file.name.replace(/\.\w+$/, '').slice(0, 200) || 'Picture',
      type: 'RECTANGLE',
    }));
    const { email, id } = await api('/api/v1/user/profile');
    const reply = await api('/api/rename-layers', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ userEmail: email ?? `${id}@plugfleet.invalid`, layers }),
    });
    byId('names').prepend(
      ...reply.layers.map(({ newName }, i) =>
        make('li', {}, make('img', { src: images[i], alt: '' }), make('span', {}, make('b', { textContent: newName }), make('span', { className: 'note', textContent: pictures[i].name }))),
      ),
    );
    say(reply.kept ? `${reply.renamed} named, ${reply.kept} kept their names` : `${reply.renamed} named`);
  } catch (error) {
    say(error.message, 'problem');
  }
  busy = false;
}

byId('files').addEventListener('change', ({ target }) => {
  void name(target.files);
  target.value = '';
});
document.addEventListener('paste', ({ clipboardData }) => clipboardData.files.length && void name(clipboardData.files));
for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId('drop').classList.toggle('over', kind === 'dragover');
    if (kind === 'drop') void name(event.dataTransfer.files);
  });
}
