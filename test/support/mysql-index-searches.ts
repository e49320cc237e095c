/** Whether indexes of MySQL and MariaDB find the rows that a look at each row finds; full-text ones are another matter. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

interface Part {
  readonly index: string;
  readonly type: string;
  readonly column: string | null;
  /** MySQL: of an index over an expression. */
  readonly expression: string | null;
}

/** With so many values of the rows. */
const valuesMax = 20;

/** By the first part of each index that statements may use. Sets the session: use it for nothing else. */
export async function mysqlSearchFaults(connection: Connection, schema: string, table: string): Promise<readonly string[]> {
  const name = `\`${schema}\`.\`${table}\``;
  const [rows] = await connection.query<RowDataPacket[]>(`SHOW INDEX FROM ${name}`);
  const isUsable = (row: RowDataPacket): boolean => (row['Visible'] ?? 'YES') === 'YES' && (row['Ignored'] ?? 'NO') === 'NO';
  const parts = rows
    .filter((row) => Number(row['Seq_in_index']) === 1 && isUsable(row))
    .map(
      (row): Part => ({
        index: row['Key_name'],
        type: row['Index_type'],
        column: row['Column_name'],
        expression: row['Expression'] ?? null,
      }),
    );
  const faults: string[] = [];
  for (const part of parts) {
    for (const condition of await conditionsOf(connection, name, part)) {
      const count = async (hint: string): Promise<string> => {
        const [found] = await connection.query<RowDataPacket[]>(`SELECT COUNT(*) AS n FROM ${name} ${hint} WHERE ${condition}`);
        return String(found[0]?.['n']);
      };
      const [byIndex, byRows] = [await count(`FORCE INDEX (\`${part.index}\`)`), await count('USE INDEX ()')];
      if (byIndex !== byRows)
        faults.push(
          `${table}: by ${part.index} there are ${byIndex} rows in place of ${byRows} where ${condition.slice(0, 80)}`,
        );
    }
  }
  return faults;
}

/** What the index answers. */
async function conditionsOf(
  connection: Connection,
  name: string,
  { column, expression, type }: Part,
): Promise<readonly string[]> {
  if (type === 'SPATIAL') return boxes.map((box) => `MBRContains(ST_GeomFromText('${box}'), \`${column ?? ''}\`)`);
  if (type !== 'BTREE') return [];
  const listed = /^cast\((.*) as unsigned array\)$/i.exec(expression ?? '')?.[1];
  if (listed !== undefined) return members.map((number) => `${number} MEMBER OF (${listed})`);
  const part = expression ?? `\`${column ?? ''}\``;
  const [rows] = await connection.query<RowDataPacket[]>({
    sql: `SELECT DISTINCT ${part} AS v FROM ${name} USE INDEX () WHERE ${part} IS NOT NULL LIMIT ${valuesMax}`,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
  // Of expressions those of numbers and texts, as literals of their own kind: no index answers for others.
  const literals = rows
    .map((row) => row['v'] as unknown)
    .flatMap((value): readonly string[] => {
      if (typeof value === 'number') return [String(value)];
      if (typeof value !== 'string' || value.length > 200) return [];
      return [/^-?\d+$/.test(value) && expression !== null ? value : connection.escape(value)];
    });
  return [...literals.map((literal) => `${part} = ${literal}`), ...(expression === null ? [`${part} IS NULL`] : [])];
}

const boxes: readonly string[] = [
  [-1, -1, 5, 5],
  [5, 0, 20, 3],
  [0, 10, 30, 60],
  [-200, -200, 200, 200],
].map(
  ([left, low, right, high]) => `POLYGON((${left} ${low}, ${right} ${low}, ${right} ${high}, ${left} ${high}, ${left} ${low}))`,
);

const members = Array.from({ length: 15 }, (_, number) => number);
