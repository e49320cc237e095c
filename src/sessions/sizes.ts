/** How sizes are told in the sentences of both adapters. */

/** Bytes in a sentence, in one unit so that figures can be compared: `1536 MiB`, and `0.3 MiB` below ten of them. */
export function mebibytes(bytes: number): string {
  const value = bytes / 1024 ** 2;
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} MiB`;
}
