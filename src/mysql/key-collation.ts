/**
 * What becomes of a text key whose character set or collation changes. Three cases: source and shadow order and equate keys alike, and
 * the same conditions serve for both; they do not, and rows of the shadow are found by the exact spelling of their key
 * (a recollated key); or the spelling cannot be told from one table in the other, and the key identifies no rows.
 */

/** How a text column is spelled and compared. */
export interface TextCollation {
  readonly charset: string | null;
  readonly collation: string | null;
}

/** Collations that weigh each character of the Basic Multilingual Plane alike in utf8mb3 and utf8mb4 (all 63,487 were compared). */
const sameInUtf8mb4: readonly string[] = ['general_ci', 'bin', 'unicode_ci', 'unicode_520_ci'];

/** Whether keys have the same order, and are the same keys, in both. */
export function isSameOrder(source: TextCollation, shadow: TextCollation): boolean {
  if (source.collation === shadow.collation) return true;
  return sameInUtf8mb4.some((name) => source.collation === `utf8mb3_${name}` && shadow.collation === `utf8mb4_${name}`);
}

/**
 * Character sets of one byte a character in which each byte is one character of Unicode that no other byte is, or none (such
 * a value stops the migration). A contract test tries every byte on each server. The others have bytes that become the same.
 */
export const exactCharsets: readonly string[] = [
  'ascii',
  'cp1250',
  'cp1251',
  'cp1256',
  'cp1257',
  'cp850',
  'cp852',
  'cp866',
  'dec8',
  'greek',
  'hebrew',
  'keybcs2',
  'koi8r',
  'koi8u',
  'latin1',
  'latin2',
  'latin5',
  'latin7',
  'macce',
  'macroman',
];

/** Encodings of Unicode that utf8mb4 has all characters of. */
const unicodeCharsets: readonly string[] = ['utf8mb3', 'utf8', 'ucs2', 'utf16', 'utf16le', 'utf32'];

/** Whether a key in the source's character set can be told, byte for byte, from its row in the shadow, and the other way round. */
export function isSpellingKept(source: TextCollation, shadow: TextCollation): boolean {
  const [from, to] = [source.charset ?? '', shadow.charset ?? ''];
  if (from === to) return true;
  if (to === 'utf8mb4') return exactCharsets.includes(from) || unicodeCharsets.includes(from);
  return to === 'utf8mb3' && exactCharsets.includes(from);
}
