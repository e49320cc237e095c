/** Charts as SVG: plain text from plain figures, the same for the same figures. Each has its own ground, for light and for dark. */
import type { BarChart, Chart, CurveChart } from './result.ts';

const width = 760;
const margin = 16;
const lineHeight = 26;
const titleHeight = 40;
const fontSize = 13;
/** Widest letters of that size on an average: to know where a text ends. */
const letterWidth = 7.2;

const style = `
  svg { color-scheme: light dark; }
  text { font: ${fontSize}px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .quiet { fill: #57606a; }
  .ground { fill: #ffffff; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .ours { fill: #0a69da; }
  .others { fill: #9aa4af; }
  .curve { fill: none; stroke-width: 2.5; }
  .c0 { stroke: #0a69da; } .d0 { fill: #0a69da; }
  .c1 { stroke: #bc4c00; } .d1 { fill: #bc4c00; }
  .c2 { stroke: #1a7f37; } .d2 { fill: #1a7f37; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .ground { fill: #0d1117; }
    .grid { stroke: #30363d; }
    .ours { fill: #4493f8; }
    .others { fill: #656c76; }
    .c0 { stroke: #4493f8; } .d0 { fill: #4493f8; }
    .c1 { stroke: #f0883e; } .d1 { fill: #f0883e; }
    .c2 { stroke: #3fb950; } .d2 { fill: #3fb950; }
  }
`;
/** As many as the style has colours for. */
const colours = 3;

/** The whole text of an SVG file. */
export function svgOf(chart: Chart): string {
  const { body, height } = chart.kind === 'bars' ? bars(chart) : curves(chart);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(`${chart.title}, ${chart.unit}`)}">`,
    `<style>${style}</style>`,
    `<rect class="ground" width="${width}" height="${height}" rx="6"/>`,
    text({ x: margin, y: 26, className: 'title' }, chart.title),
    text({ x: width - margin, y: 26, className: 'quiet', anchor: 'end' }, chart.unit),
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

/** Rising steps from 0 that are easy to read; the last one is at least `max`. */
export function ticksTo(max: number, count: number): readonly number[] {
  if (!(max > 0)) return [0, 1];
  const rough = max / count;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10) * magnitude;
  // From whole steps, so that no sum of fractions goes astray.
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, place) => Number((place * step).toPrecision(6)));
}

/** Three digits that count, and whole numbers whole. */
export function shortText(value: number): string {
  return (value >= 100 ? Math.round(value) : Number(value.toPrecision(3))).toLocaleString('en', { maximumFractionDigits: 9 });
}

interface Drawn {
  readonly body: readonly string[];
  readonly height: number;
}

function bars({ bars }: BarChart): Drawn {
  const labelWidth = Math.min(330, Math.max(...bars.map(({ name }) => name.length)) * letterWidth);
  const left = margin + labelWidth + 10;
  const most = Math.max(...bars.map(({ value }) => value));
  const room = width - left - margin - 80;
  const body = bars.flatMap(({ isOurs, name, value }, place) => {
    const y = titleHeight + place * lineHeight;
    const length = most > 0 ? Math.max(1, (value / most) * room) : 1;
    return [
      text({ x: left - 10, y: y + 17, className: isOurs ? '' : 'quiet', anchor: 'end' }, name),
      `<rect class="${isOurs ? 'ours' : 'others'}" x="${fixed(left)}" y="${y + 4}" width="${fixed(length)}" height="${lineHeight - 8}" rx="2"/>`,
      text({ x: left + length + 8, y: y + 17, className: '' }, shortText(value)),
    ];
  });
  return { body, height: titleHeight + bars.length * lineHeight + margin };
}

function curves({ curves, xUnit }: CurveChart): Drawn {
  const plot = { left: margin + 60, right: width - margin - 110, top: titleHeight + 8, bottom: 290 };
  const points = curves.flatMap(({ points }) => points);
  const xTicks = ticksTo(Math.max(...points.map(([x]) => x)), 8);
  const yTicks = ticksTo(Math.max(...points.map(([, y]) => y)), 5);
  const xAt = (x: number): number => plot.left + (x / (xTicks.at(-1) ?? 1)) * (plot.right - plot.left);
  const yAt = (y: number): number => plot.bottom - (y / (yTicks.at(-1) ?? 1)) * (plot.bottom - plot.top);
  const grid = yTicks.flatMap((tick) => [
    `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${fixed(yAt(tick))}" y2="${fixed(yAt(tick))}"/>`,
    text({ x: plot.left - 8, y: yAt(tick) + 4, className: 'quiet', anchor: 'end' }, shortText(tick)),
  ]);
  const below = xTicks.map((tick) =>
    text({ x: xAt(tick), y: plot.bottom + 20, className: 'quiet', anchor: 'middle' }, shortText(tick)),
  );
  const labelYs = apart(curves.map(({ points }) => yAt(points.at(-1)?.[1] ?? 0)));
  const drawn = curves.flatMap(({ name, points }, place) => {
    const colour = place % colours;
    const line = points.map(([x, y]) => `${fixed(xAt(x))},${fixed(yAt(y))}`).join(' ');
    const dots = points.map(([x, y]) => `<circle class="d${colour}" cx="${fixed(xAt(x))}" cy="${fixed(yAt(y))}" r="3.5"/>`);
    const endX = xAt(points.at(-1)?.[0] ?? 0);
    return [
      `<polyline class="curve c${colour}" points="${line}"/>`,
      ...dots,
      text({ x: endX + 10, y: (labelYs[place] ?? 0) + 4, className: `d${colour}` }, name),
    ];
  });
  const axis = text({ x: plot.right, y: plot.bottom + 40, className: 'quiet', anchor: 'end' }, xUnit);
  return { body: [...grid, ...below, axis, ...drawn], height: plot.bottom + 52 };
}

/** Moves labels down until none lies on another. */
function apart(ys: readonly number[]): readonly number[] {
  const order = ys.map((y, place) => ({ y, place })).sort((a, b) => a.y - b.y);
  const moved = [...ys];
  let last = Number.NEGATIVE_INFINITY;
  for (const { place, y } of order) {
    last = Math.max(y, last + fontSize + 3);
    moved[place] = last;
  }
  return moved;
}

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly className: string;
  readonly anchor?: 'middle' | 'end';
}

function text({ anchor, className, x, y }: Placed, content: string): string {
  const attributes = [className === '' ? '' : ` class="${className}"`, anchor === undefined ? '' : ` text-anchor="${anchor}"`];
  return `<text x="${fixed(x)}" y="${fixed(y)}"${attributes.join('')}>${escaped(content)}</text>`;
}

/** A tenth of a pixel is all that can be seen. */
function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
