// A frame drawn small as SVG, in its own coordinates: each layer's shape, colour and text, or its picture.
import type { ExportedFrame } from '../shared/messages';
import type { Shape } from './afterwards';
import { pictureUrl } from './pictures';

const kLineHeight = 1.21; // Inter's, where Figma says auto

let drawn = 0; // makes the ids of one page distinct

function svg(tag: string, attributes: Record<string, string | number> = {}, ...children: Element[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

const matrix = ({ transform: [[a, b, x], [c, d, y]] }: Shape): string => `matrix(${[a, c, b, d, x, y].join(' ')})`;

function outline(shape: Shape, attributes: Record<string, string | number>): SVGElement {
  const { width, height } = shape;
  const rx = Math.min(shape.radius, width / 2, height / 2);
  return svg('rect', { width, height, rx, transform: matrix(shape), ...attributes });
}

// By wrapping as Figma does: SVG's own text has no lines.
function text(shape: Shape): SVGElement {
  const { width, height, font, fontSize } = shape;
  const words = document.createElement('div');
  words.textContent = shape.text;
  words.dir = 'auto';
  const align = { start: 'start', middle: 'center', end: 'end' }[font?.align ?? 'start'];
  Object.assign(words.style, {
    font: `${font?.weight ?? 400} ${fontSize}px/${kLineHeight} ${JSON.stringify(font?.family ?? '')}, Inter, sans-serif`,
    color: shape.fill ?? 'transparent',
    opacity: String(shape.fillOpacity),
    textAlign: align,
    // One line stays one: another machine's font is a little wider.
    whiteSpace: height < 2 * fontSize * kLineHeight - 1 ? 'pre' : 'pre-wrap',
    overflowWrap: 'break-word',
  });
  const place = { width, height: Math.max(height, fontSize * kLineHeight), overflow: 'visible' };
  return svg('foreignObject', { ...place, transform: matrix(shape) }, words);
}

// A picture of the whole layer, in the box around it; a new colour goes where it has ink.
function ownPicture(shape: Shape, href: string, id: string): SVGElement[] {
  const [[a, b, x], [c, d, y]] = shape.transform;
  const { width, height } = shape;
  const box = {
    x: x + Math.min(0, a * width) + Math.min(0, b * height),
    y: y + Math.min(0, c * width) + Math.min(0, d * height),
    width: Math.abs(a) * width + Math.abs(b) * height,
    height: Math.abs(c) * width + Math.abs(d) * height,
  };
  const image = svg('image', { ...box, href, preserveAspectRatio: 'none' });
  if (!shape.recoloured) return [image];
  image.setAttribute('filter', `url(#${id})`);
  const flood = svg('feFlood', { 'flood-color': shape.fill ?? 'none' });
  const ink = svg('feComposite', { operator: 'in', in2: 'SourceAlpha' });
  return [svg('filter', { id, 'color-interpolation-filters': 'sRGB' }, flood, ink), image];
}

function pictureIn(shape: Shape, href: string, id: string): SVGElement[] {
  const { width, height } = shape;
  const place = { width, height, href, preserveAspectRatio: 'xMidYMid slice', transform: matrix(shape) };
  const cut = svg('clipPath', { id }, outline(shape, {}));
  return [cut, svg('g', { 'clip-path': `url(#${id})` }, svg('image', place))];
}

// Hills and a sun, where the picture itself is not at hand.
function placeholder(shape: Shape): SVGElement[] {
  const { width, height } = shape;
  const side = Math.min(width, height) / 3;
  const glyph = svg('path', {
    d: 'M0 1 L.35 .4 L.6 .75 L.75 .55 L1 1 Z M.78 .18 a.1 .1 0 1 1 .001 0 Z',
    fill: '#8a94a3',
    transform: `${matrix(shape)} translate(${(width - side) / 2} ${(height - side) / 2}) scale(${side})`,
  });
  return [outline(shape, { fill: '#d5dae1' }), glyph];
}

function body(shape: Shape, id: string): SVGElement[] {
  if (shape.generated) return pictureIn(shape, pictureUrl(shape.generated), id);
  if (shape.type === 'TEXT') return [text(shape)];
  if (shape.picture) return ownPicture(shape, pictureUrl(shape.picture), id);
  if (shape.fill === 'image') return placeholder(shape);
  const { fill, fillOpacity, stroke } = shape;
  if (!fill && !stroke) return [];
  const line = stroke && { stroke: stroke.colour, 'stroke-width': stroke.width };
  return [outline(shape, { fill: fill ?? 'none', 'fill-opacity': fillOpacity, ...line })];
}

export function drawing(frame: ExportedFrame, shapes: Shape[], label: string): SVGElement {
  const [top] = shapes;
  const { width, height } = top ?? frame;
  const whole = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label });
  const insides: SVGElement[] = [];
  const mine = `drawing-${++drawn}`;
  shapes.forEach((shape, i) => {
    const group = svg('g', { opacity: shape.opacity, ...(!shape.visible && { display: 'none' }) });
    const inside = svg('g');
    if (shape.clips) {
      const id = `${mine}-${i}-edge`;
      group.append(svg('clipPath', { id }, outline(shape, {})));
      inside.setAttribute('clip-path', `url(#${id})`);
    }
    group.append(...body(shape, `${mine}-${i}`), inside);
    (insides[shape.parent] ?? whole).append(group);
    insides.push(inside);
  });
  return whole;
}
