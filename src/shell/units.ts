/** Figures with units, as people write them in options and read them in the output. */

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type DurationUnit = keyof typeof MS_PER_UNIT;

/** Milliseconds of `250ms`, `10s`, `1.5m`, `2h` or `7d`; null where the text is no duration. A figure needs its unit, except 0. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return text.trim() === '0' ? 0 : null;
  const [, figure, unit] = match;
  const ms = Number(figure) * MS_PER_UNIT[unit as DurationUnit];
  return Number.isInteger(ms) ? ms : null;
}

/** The shortest text that `parseDurationMs` reads as the same number: `250ms`, `10s`, `90s`, `2h`. */
export function formatDurationMs(ms: number): string {
  const units = Object.keys(MS_PER_UNIT) as DurationUnit[];
  const unit = units.findLast((unit) => ms > 0 && ms % MS_PER_UNIT[unit] === 0) ?? 'ms';
  return `${ms / MS_PER_UNIT[unit]}${unit}`;
}

const SIZE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/**
 * Bytes of `512MB`, `10GB`, `1.5TB`, `16 KiB` or `64k`, 1024 to the next unit as the servers count; null where the text is no
 * size. A figure needs its unit, except 0.
 */
export function parseBytes(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,3})?) ?(?:([KMGT])(?:i?B)?|B)$/i.exec(text.trim());
  if (match === null) return text.trim() === '0' ? 0 : null;
  const [, figure, letter = ''] = match;
  const bytes = Number(figure) * 1_024 ** ' KMGT'.indexOf(letter.toUpperCase() || ' ');
  return letter === '' && !Number.isInteger(bytes) ? null : Math.round(bytes);
}

/** The shortest text that `parseBytes` reads as the same number: `512MB`, `10GB`, `1536GB`. */
export function formatBytes(bytes: number): string {
  const unit = SIZE_UNITS.findLastIndex((_, power) => bytes > 0 && bytes % 1_024 ** power === 0);
  return unit === -1 ? '0B' : `${bytes / 1_024 ** unit}${SIZE_UNITS[unit]}`;
}

/** A whole number, `null` where the text is none. */
export function parseCount(text: string): number | null {
  return /^\d{1,15}$/.test(text.trim()) ? Number(text) : null;
}

/** A number with at most three decimals, `null` where the text is none. */
export function parseRatio(text: string): number | null {
  return /^\d{1,9}(?:\.\d{1,3})?$/.test(text.trim()) ? Number(text) : null;
}

/** A time span for reading, with two units at most: `0.4 s`, `12 s`, `3 m 05 s`, `2 h 07 m`, `4 d 03 h`. */
export function readableDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`;
}

/** A number for reading: `1,234,567`. */
export function readableCount(count: number): string {
  return String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** Bytes for reading: `512 B`, `1.5 GiB`. */
export function readableBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
