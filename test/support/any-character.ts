/** Characters for texts that may hold anything. */
import fc from 'fast-check';

/** Every code point but halves of pairs, a third of them ASCII. fast-check's own `binary` takes a second to be made. */
export const anyCharacter = fc
  .oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0x80, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10_ffff }))
  .map((code) => String.fromCodePoint(code));
