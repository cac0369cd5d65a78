// Draws a node of the fake Figma as Figma would, roughly: fills, pictures, rounded corners, text, opacity.
import type { Paint } from '@figma/plugin-typings/plugin-api-standalone';
import type { FakeNode } from './fake_nodes.js';

type Images = ReadonlyMap<string, ImageBitmap>;

export function draw(node: FakeNode, scale: number, images: Images): OffscreenCanvas {
  const size = (length: number) => Math.max(1, Math.round(length * scale));
  const canvas = new OffscreenCanvas(size(node.width), size(node.height));
  const pen = canvas.getContext('2d')!;
  pen.scale(scale, scale);
  pen.translate(-node.x, -node.y);
  drawNode(pen, node, images);
  return canvas;
}

function drawNode(pen: OffscreenCanvasRenderingContext2D, node: FakeNode, images: Images) {
  if (!node.visible) return;
  pen.save();
  pen.translate(node.x, node.y);
  pen.globalAlpha *= node.opacity;
  if (node.type === 'TEXT') {
    drawText(pen, node);
  } else {
    pen.beginPath();
    pen.roundRect(0, 0, node.width, node.height, typeof node.cornerRadius === 'number' ? node.cornerRadius : 0);
    pen.clip();
    for (const paint of node.fills) drawPaint(pen, node, paint, images);
    if (node.type === 'FRAME') {
      for (const child of node.children) drawNode(pen, child as unknown as FakeNode, images);
    }
  }
  pen.restore();
}

function colourOf(paint: Paint | undefined) {
  if (paint?.type !== 'SOLID') return 'transparent';
  const { r, g, b } = paint.color;
  return `rgb(${[r, g, b].map((part) => Math.round(part * 255)).join(' ')} / ${paint.opacity ?? 1})`;
}

function drawPaint(pen: OffscreenCanvasRenderingContext2D, node: FakeNode, paint: Paint, images: Images) {
  const image = paint.type === 'IMAGE' && paint.imageHash ? images.get(paint.imageHash) : undefined;
  if (!image) {
    pen.fillStyle = colourOf(paint);
    pen.fillRect(0, 0, node.width, node.height);
    return;
  }
  const scale = Math.max(node.width / image.width, node.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  pen.drawImage(image, (node.width - width) / 2, (node.height - height) / 2, width, height);
}

function drawText(pen: OffscreenCanvasRenderingContext2D, node: FakeNode & { type: 'TEXT' }) {
  const size = typeof node.fontSize === 'number' ? node.fontSize : 16;
  const bold = typeof node.fontName === 'object' && node.fontName.style.includes('Bold');
  pen.font = `${bold ? 700 : 400} ${size}px Inter, 'Liberation Sans', sans-serif`;
  pen.textBaseline = 'top';
  pen.fillStyle = colourOf(node.fills[0]);
  let [line, y] = ['', 0];
  for (const word of node.characters.split(' ')) {
    const longer = line ? `${line} ${word}` : word;
    if (line && pen.measureText(longer).width > node.width) {
      pen.fillText(line, 0, y);
      [line, y] = [word, y + size * 1.3];
    } else {
      line = longer;
    }
  }
  pen.fillText(line, 0, y);
}
