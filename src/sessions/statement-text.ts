/** How somebody's statement is told in a sentence. */

/** Of a statement of others so many characters are read and shown: enough to know it by. */
export const STATEMENT_CHARS_MAX = 120;

/** Of a statement of ours in an error. */
const FAILED_CHARS_MAX = 80;

/** Settings for one transaction in front of a statement, in the same message. */
const settingsInFront = /^(?:SET LOCAL (?:[^;'"]|'[^']*'|"[^"]*")*; )+(?=.)/;

/** The subject of a sentence about a statement of ours, without settings in front of it, by which nobody would know it. */
export function theStatement(sql: string): string {
  return `The statement "${beginningOf(sql.replace(settingsInFront, ''), FAILED_CHARS_MAX)}"`;
}

/** The beginning of a statement, in one line: too little to hold many values. */
export function beginningOf(statement: string, charsMax = STATEMENT_CHARS_MAX): string {
  const text = statement.replaceAll(/\s+/g, ' ').trim();
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}
