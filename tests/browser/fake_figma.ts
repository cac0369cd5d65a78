// Figma's side of a plugin, without Figma: runs the plugin's code with a `figma` whose type is Figma's own, and shows its
// window in a sandboxed iframe, whose origin is `null` as in Figma. What Figma has and this has not, throws by name.
import type {
  MessageEventHandler,
  PluginAPI,
  SceneNode,
  ShowUIOptions,
} from '@figma/plugin-typings/plugin-api-standalone';
import { FakeFile, mixed } from './fake_file.js';
import { themeStyle } from './theme.js';

export type Theme = 'light' | 'dark';
type Manifest = {
  name: string;
  permissions?: string[];
  networkAccess: { allowedDomains: string[]; devAllowedDomains?: string[] };
};

const kImageStarts = [
  [0x89, 0x50, 0x4e, 0x47],
  [0xff, 0xd8, 0xff],
  [0x47, 0x49, 0x46, 0x38],
];
const kLargestImage = 4096;

// What a plugin's main code must do without in Figma.
const kNoDom = [
  'window',
  'document',
  'self',
  'globalThis',
  'parent',
  'top',
  'navigator',
  'location',
  'localStorage',
  'atob',
  'btoa',
  'TextEncoder',
  'TextDecoder',
  'Blob',
  'URL',
  'XMLHttpRequest',
  'EventSource',
  'WebSocket',
  'crypto',
  'fetch',
];

// Throws where `object` lacks what is asked of it, which undefined would hide.
const strict = <T extends object>(object: T, name: string): T =>
  new Proxy(object, {
    get(target, member) {
      if (!(member in target) && typeof member === 'string' && member !== 'then') {
        throw new Error(`the fake Figma has no ${name}.${member}`);
      }
      const value = Reflect.get(target, member);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

type UI = Pick<PluginAPI['ui'], 'postMessage' | 'onmessage'>;
type Storage = PluginAPI['clientStorage'];
type Faked =
  | 'showUI'
  | 'closePlugin'
  | 'commitUndo'
  | 'loadFontAsync'
  | 'createImage'
  | 'getNodeByIdAsync'
  | 'setCurrentPageAsync'
  | 'mixed'
  | 'currentUser';

// One run of the plugin in an open file.
export class FakeFigma implements Pick<PluginAPI, Faked> {
  readonly mixed = mixed as never;
  readonly permissionsUsed = new Set<string>();
  readonly #frame = document.createElement('iframe');
  readonly #listeners = new Map<string, () => void>();
  #onmessage: MessageEventHandler | undefined;
  #closed = false;

  constructor(
    private readonly file: FakeFile,
    private readonly stored: Map<string, unknown>,
    readonly manifest: Manifest,
    private readonly html: string,
    private readonly theme: Theme,
  ) {
    file.onSelection = () => this.#listeners.get('selectionchange')?.();
    addEventListener('message', ({ source, data }) => {
      if (source !== this.#frame.contentWindow || !data?.pluginMessage) return;
      this.#onmessage?.(data.pluginMessage, { origin: 'null' });
    });
  }

  run(code: string) {
    const names = ['figma', '__html__', ...kNoDom];
    new Function(...names, `${code}\n//# sourceURL=code.js`)(strict(this as FakeFigma, 'figma'), this.html);
  }

  get closed() {
    return this.#closed;
  }

  // ---- What the plugin sees ----

  get currentUser() {
    this.permissionsUsed.add('currentuser');
    if (!this.manifest.permissions?.includes('currentuser')) throw new Error('the manifest lacks "currentuser"');
    return { id: '1234567890', name: 'Ada Lovelace', photoUrl: null, color: '#0d99ff', sessionId: 7 };
  }

  get currentPage() {
    return this.file.page as Pick<PluginAPI['currentPage'], keyof FakeFile['page']>;
  }

  inView: string[] = [];
  readonly viewport = strict(
    {
      scrollAndZoomIntoView: (nodes) => void (this.inView = nodes.map(({ name }) => name)),
    } satisfies Pick<PluginAPI['viewport'], 'scrollAndZoomIntoView'>,
    'viewport',
  );

  readonly clientStorage: Storage = {
    getAsync: async (key) => structuredClone(this.stored.get(key)),
    setAsync: async (key, value) => void this.stored.set(key, structuredClone(value)),
    deleteAsync: async (key) => void this.stored.delete(key),
    keysAsync: async () => [...this.stored.keys()],
  };

  readonly ui = this.#window();

  #window(): UI {
    const plugin = this;
    return strict(
      {
        postMessage: (pluginMessage) =>
          void plugin.#frame.contentWindow!.postMessage({ pluginMessage, pluginId: '' }, '*'),
        get onmessage() {
          return plugin.#onmessage;
        },
        set onmessage(listener) {
          plugin.#onmessage = listener;
        },
      } satisfies UI,
      'ui',
    );
  }

  on(type: string, listener: () => void) {
    this.#listeners.set(type, listener);
  }

  showUI(html: string, { width = 300, height = 200, title, themeColors }: ShowUIOptions = {}) {
    const window = document.createElement('section');
    const bar = document.createElement('h1');
    bar.textContent = title ?? this.manifest.name;
    Object.assign(this.#frame, { width, height, title: bar.textContent });
    this.#frame.sandbox.add('allow-scripts');
    this.#frame.srcdoc = this.#reach() + (themeColors ? themeStyle(this.theme) : '') + html;
    window.append(bar, this.#frame);
    document.body.append(window);
  }

  // Figma lets the window reach the manifest's servers only.
  #reach() {
    const { allowedDomains, devAllowedDomains = [] } = this.manifest.networkAccess;
    const domains = [...allowedDomains, ...devAllowedDomains].filter((one) => one !== 'none');
    return `<meta http-equiv="Content-Security-Policy" content="connect-src ${domains.join(' ') || "'none'"}">`;
  }

  async setCurrentPageAsync(page: unknown) {
    if (page !== this.file.page) throw new Error('the fake Figma has one page');
  }

  async getNodeByIdAsync(id: string) {
    return (this.file.nodes.get(id) ?? null) as unknown as SceneNode | null;
  }

  async loadFontAsync({ family, style }: { family: string; style?: string }) {
    if (family === 'Missing Sans') throw new Error(`in loadFontAsync: The font "${family} ${style}" could not be loaded`);
    this.file.loadedFonts.add(`${family} ${style}`);
  }

  createImage(data: Uint8Array) {
    if (!(data instanceof Uint8Array) || !kImageStarts.some((start) => start.every((byte, at) => data[at] === byte))) {
      throw new Error('in createImage: Image type is unsupported');
    }
    const view = new DataView(data.buffer, data.byteOffset);
    const size = { width: view.getUint32(16), height: view.getUint32(20) };
    if (data[0] === 0x89 && Math.max(size.width, size.height) > kLargestImage) {
      throw new Error('in createImage: Image is too large');
    }
    return { hash: this.file.addImage(data), getBytesAsync: async () => data, getSizeAsync: async () => size };
  }

  commitUndo() {
    this.file.commitUndo();
  }

  closePlugin() {
    this.#closed = true;
    this.#frame.closest('section')?.remove();
    this.file.commitUndo();
  }
}
