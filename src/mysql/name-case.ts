/** Names whose letters' case does not matter: those of columns, and with lower_case_table_names those of tables and schemas. */

/**
 * The name in lower case as the servers make it: each character by itself and to one character, so that a Greek name does not get
 * another letter at its end (Σ becomes ς there) and İ becomes i.
 */
export function lowerCase(name: string): string {
  return Array.from(name, (character) => String.fromCodePoint(character.toLowerCase().codePointAt(0) ?? 0)).join('');
}

/** Whether two names are one where case does not matter. */
export function isSameInAnyCase(one: string, other: string): boolean {
  return lowerCase(one) === lowerCase(other);
}
