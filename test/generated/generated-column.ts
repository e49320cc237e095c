/** Columns of a generated table. */
import type { Draw } from './draw.ts';

/** A type as it is declared, and values of it as the server reads them. */
export interface ValueType {
  readonly ddl: string;
  /** Types of one kind are likely to be converted into each other. */
  readonly kind: string;
  readonly values: readonly string[];
  /** Whether a key may have it. */
  readonly isKeyable: boolean;
}

export interface GeneratedColumn {
  readonly name: string;
  readonly type: ValueType;
  readonly isNullable: boolean;
  /** Whether the server gives its values. */
  readonly isComputed?: boolean;
}

/** What is hard to compare, to order, to fold or to quote. */
export const HOSTILE_WORDS: readonly string[] = [
  ...['', ' ', 'a', 'A', 'á', 'a ', 'a  ', 'ab', 'AB', 'ß', 'ss', 'SS', 'é', 'É', 'e\u0301', 'ñ', 'ü', 'Ü', 'æ', 'ae'],
  ...['z', 'Z', '0', '00', '1', '-1', '1.0', '1e3', 'null', 'NULL', "o'brien", 'x\\y', 'i', 'I', 'ı', 'İ', 'K', 'ſ'],
  ...[
    '2024-01-01',
    'true',
    '{"a":1}',
    '[1]',
    '{1,2}',
    '"q"',
    '\\n',
    '\\.',
    '\\N',
    '%',
    '_',
    'hello world',
    'Straße',
    'strasse',
  ],
  ...['日本', 'я', 'Я', '１', '😀', '😁', 'a\tb', 'a\nb', '(1,2)', ','],
];

/** One of a type that a key may have. */
export function drawKey(drawType: () => ValueType, place: number): GeneratedColumn {
  for (;;) {
    const type = drawType();
    if (type.isKeyable) return { name: `k${place}`, type, isNullable: false };
  }
}

export function drawValue(draw: Draw, { isNullable, type }: GeneratedColumn): string {
  return isNullable && draw.happens(0.15) ? 'NULL' : draw.of(type.values);
}
