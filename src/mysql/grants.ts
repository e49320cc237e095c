/** What a user may do, read from SHOW GRANTS, which includes the privileges of the session's active roles on both servers. */

/** One privilege at one level. `schema` is a pattern as in LIKE where `hasPatterns`; null: all schemas. `table` null: all. */
interface Grant {
  readonly isRevoked: boolean;
  readonly privilege: string;
  readonly schema: string | null;
  readonly table: string | null;
}

/** The privileges of a user. */
export interface Grants {
  /** Whether the user has a privilege (`SELECT`) on every table of the schema, or globally where `schema` is null. */
  has(privilege: string, schema: string | null): boolean;
}

const quotedName = '`((?:[^`]|``)*)`';
const statement = new RegExp(
  `^(GRANT|REVOKE) (.+?) ON (?:TABLE )?(?:(\\*)|${quotedName})\\.(?:(\\*)|${quotedName}) (?:TO|FROM) `,
  's',
);

/** Privileges that a privilege implies where the server prints only the greater one. */
const implied: Readonly<Record<string, readonly string[]>> = {
  'REPLICATION CLIENT': ['SUPER'],
  'BINLOG MONITOR': ['SUPER'],
  CONNECTION_ADMIN: ['SUPER'],
  'CONNECTION ADMIN': ['SUPER'],
  'SLAVE MONITOR': ['SUPER', 'REPLICATION SLAVE ADMIN'],
  SET_ANY_DEFINER: ['SUPER'],
  SET_USER_ID: ['SUPER'],
  'SET USER': ['SUPER'],
};

/** Reads the rows of SHOW GRANTS. `hasPatterns`: `_` and `%` in a schema's name stand for others (partial_revokes is off). */
export function readGrants(statements: readonly string[], hasPatterns: boolean): Grants {
  const grants = statements.flatMap(readStatement);
  const covers = (grant: Grant, schema: string | null): boolean => {
    if (grant.schema === null) return true;
    if (schema === null || grant.table !== null) return false;
    return hasPatterns ? matchesPattern(schema, grant.schema) : schema === grant.schema;
  };
  const hasExactly = (privilege: string, schema: string | null): boolean => {
    const names = ['ALL PRIVILEGES', 'ALL', privilege];
    const relevant = grants.filter((grant) => names.includes(grant.privilege) && covers(grant, schema));
    const isGranted = relevant.some((grant) => !grant.isRevoked && grant.schema !== null);
    // A partial revoke takes a global privilege away for one schema, which a grant on that schema gives back.
    const isGlobal = relevant.some((grant) => !grant.isRevoked && grant.schema === null);
    return isGranted || (isGlobal && !relevant.some((grant) => grant.isRevoked && grant.schema !== null));
  };
  return {
    has: (privilege, schema) => [privilege, ...(implied[privilege] ?? [])].some((name) => hasExactly(name, schema)),
  };
}

function readStatement(text: string): readonly Grant[] {
  const match = statement.exec(text);
  if (match === null) return [];
  const [, verb, list = '', allSchemas, schema, allTables, table] = match;
  // Privileges on single columns are for nothing here.
  const privileges = list.split(/,\s*(?![^(]*\))/).filter((privilege) => !privilege.includes('('));
  return privileges.map((privilege) => ({
    isRevoked: verb === 'REVOKE',
    privilege: privilege.trim().toUpperCase(),
    schema: allSchemas === undefined ? unquote(schema ?? '') : null,
    table: allTables === undefined ? unquote(table ?? '') : null,
  }));
}

function unquote(name: string): string {
  return name.replaceAll('``', '`');
}

/** LIKE, with a backslash as its escape. */
function matchesPattern(name: string, pattern: string): boolean {
  const source = pattern.replaceAll(/\\[\s\S]|[\s\S]/g, (part) => {
    if (part === '%') return '[\\s\\S]*';
    return part === '_' ? '[\\s\\S]' : (part.at(-1) ?? '').replace(/[\\^$.*+?()[\]{}|]/, '\\$&');
  });
  return new RegExp(`^${source}$`).test(name);
}
