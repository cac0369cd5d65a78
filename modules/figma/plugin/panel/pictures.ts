// Pictures between the bytes that Figma has and the base64 that the API speaks.

const kSideMax = 4096; // Figma's
const kChunk = 0x8000; // arguments of one call

export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += kChunk) parts.push(String.fromCharCode(...bytes.subarray(at, at + kChunk)));
  return btoa(parts.join(''));
}

// Null where it is not base64.
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const binary = atob(text.replace(/^data:[^,]*,/, ''));
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; ++at) bytes[at] = binary.charCodeAt(at);
    return bytes;
  } catch {
    return null;
  }
}

// Figma takes PNG and JPEG up to 4096 pixels a side; anything else that this browser can draw is drawn anew. Null where
// it is not a picture.
export async function forFigma(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const bitmap = await createImageBitmap(new Blob([bytes]));
    const { width, height } = bitmap;
    const known = bytes[0] === 0x89 || (bytes[0] === 0xff && bytes[1] === 0xd8); // PNG, JPEG
    if (known && Math.max(width, height) <= kSideMax) return bytes;
    const scale = Math.min(1, kSideMax / Math.max(width, height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    canvas.getContext('2d')?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const drawn = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
    return drawn && new Uint8Array(await drawn.arrayBuffer());
  } catch {
    return null;
  }
}

// Addresses of pictures in this page, one for each, until they are forgotten.
const urls = new Map<Uint8Array, string>();

export function pictureUrl(bytes: Uint8Array): string {
  const known = urls.get(bytes);
  if (known) return known;
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  urls.set(bytes, url);
  return url;
}

export function forgetPictures(bytes: Iterable<Uint8Array | null>): void {
  for (const one of bytes) {
    if (!one) continue;
    const url = urls.get(one);
    if (url) URL.revokeObjectURL(url);
    urls.delete(one);
  }
}
