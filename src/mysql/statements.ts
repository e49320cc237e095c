/** SQL builders for MySQL and MariaDB: pure functions from names and literals to text. */

/** An identifier, quoted. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** A table with its schema, both quoted. */
export function quoteTable(table: { readonly schema: string; readonly table: string }): string {
  return `${quoteName(table.schema)}.${quoteName(table.table)}`;
}

/** Tables by schema and name as text, for what names them in two columns: `(…, …) IN (${…})`. */
export function nameList(tables: readonly { readonly schema: string; readonly table: string }[]): string {
  return tables.map(({ schema, table }) => `(${quoteText(schema)}, ${quoteText(table)})`).join(', ');
}

/** A string literal that means the same under every sql_mode and connection character set. */
export function quoteText(text: string): string {
  return text === '' ? "''" : `_utf8mb4 X'${Buffer.from(text, 'utf8').toString('hex')}'`;
}
