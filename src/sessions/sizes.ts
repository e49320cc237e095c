/** How sizes are told in the sentences of both adapters. */

/**
 * Bytes in a sentence, in one unit so that figures can be compared: `1536 MiB`, and `0.3 MiB` below ten of them. Only what would be none
 * of it has a smaller one: `10 KiB`.
 */
export function mebibytes(bytes: number): string {
  const units = ['MiB', 'KiB', 'B'];
  const power = units.findIndex((_, smaller) => bytes * 1024 ** smaller >= 0.05 * 1024 ** 2);
  const value = power === -1 ? 0 : bytes / 1024 ** (2 - power);
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} ${units[Math.max(0, power)]}`;
}
