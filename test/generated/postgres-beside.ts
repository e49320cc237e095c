/** What hangs on a generated table of PostgreSQL: indexes, constraints, keys to and from other tables, triggers, policies, views, grants. */
import { COUNTED, LINK } from './beside.ts';
import { type Draw, times } from './draw.ts';
import type { GeneratedColumn } from './generated-column.ts';
import { type PostgresTable, quoteColumn } from './postgres-table.ts';

/** Made before the rows. */
export function drawBeside(draw: Draw, table: PostgresTable): readonly string[] {
  return [...drawIndexes(draw, table), ...drawConstraints(draw, table), ...drawKeys(draw, table), ...drawOthers(draw, table)];
}

/** Made behind the rows: what would bar them. */
export function drawBehind(draw: Draw, table: PostgresTable): readonly string[] {
  return [...drawTriggers(draw, table), ...drawPolicies(draw, table), ...drawViews(draw, table)];
}

function drawIndexes(draw: Draw, { keys, others }: PostgresTable): readonly string[] {
  const columns = [...keys, ...others];
  const part = (): string | null => {
    const column = draw.of(columns);
    if (!column.type.isKeyable) return null;
    const isFolded = column.type.kind === 'text' && draw.happens(0.2);
    return `${isFolded ? `lower(${quoteColumn(column)}::text)` : quoteColumn(column)}${draw.text(0.15, ' DESC NULLS LAST')}`;
  };
  const indexes = times(draw.below(4), (place) => {
    const parts = new Set(times(draw.between(1, 3), part).filter((one) => one !== null));
    const included = draw.text(0.15, ` INCLUDE (${quoteColumn(draw.of(keys))})`);
    const where = draw.text(0.2, ` WHERE ${quoteColumn(draw.of(keys))} IS NOT NULL`);
    const made = `CREATE ${draw.text(0.2, 'UNIQUE ')}INDEX i${place} ON t (${[...parts].join(', ')})${included}${where}`;
    return parts.size === 0 ? null : made;
  });
  const made = indexes.filter((index) => index !== null);
  const isFirst = made[0]?.includes(' i0 ') === true && !made[0].includes(' WHERE ');
  return [...made, isFirst ? draw.text(0.15, 'ALTER TABLE t CLUSTER ON i0') : ''].filter((sql) => sql !== '');
}

function drawConstraints(draw: Draw, { keys, others }: PostgresTable): readonly string[] {
  const key = quoteColumn(draw.of(keys));
  const plain = others.filter(({ isComputed, type }) => isComputed !== true && type.isKeyable);
  const other = quoteColumn(draw.ofAny(plain) ?? draw.of(keys));
  const when = draw.of(['', '', ' DEFERRABLE', ' DEFERRABLE INITIALLY DEFERRED']);
  return [
    draw.text(0.15, `ALTER TABLE t ADD CONSTRAINT checked CHECK (${key} IS NOT NULL)${draw.text(0.4, ' NOT VALID')}`),
    draw.text(0.1, `ALTER TABLE t ADD CONSTRAINT alone UNIQUE (${[...new Set([other, key])].join(', ')})${when}`),
    draw.text(0.06, `ALTER TABLE t ADD CONSTRAINT apart EXCLUDE (${other} WITH =)${when}`),
  ].filter((sql) => sql !== '');
}

/** To the parent, and of a child. */
function drawKeys(draw: Draw, { hasChild, hasParent, keys }: PostgresTable): readonly string[] {
  const action = (): string => draw.of(['', ' ON DELETE CASCADE', ' ON DELETE SET NULL', ' ON DELETE SET DEFAULT']);
  const when = (): string => draw.of(['', '', ' DEFERRABLE INITIALLY DEFERRED', ' NOT VALID']);
  const statements: string[] = [];
  if (hasParent) {
    const up = draw.of(['', ' ON UPDATE CASCADE']);
    statements.push(`ALTER TABLE t ADD CONSTRAINT up FOREIGN KEY (${LINK}) REFERENCES p${up}${action()}${when()}`);
  }
  if (hasChild) {
    const columns = keys.map((key) => `${quoteColumn(key)} ${key.type.ddl}`).join(', ');
    const names = keys.map(quoteColumn).join(', ');
    statements.push(`CREATE TABLE ch (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ${columns})`);
    const down = `FOREIGN KEY (${names}) REFERENCES t (${names}) ON UPDATE CASCADE${action()}${when()}`;
    statements.push(`ALTER TABLE ch ADD CONSTRAINT down ${down}`);
  }
  return statements;
}

function drawOthers(draw: Draw, { keys, others }: PostgresTable): readonly string[] {
  const columns = [...keys, ...others];
  const key = quoteColumn(draw.of(keys));
  const some = quoteColumn(draw.of(columns));
  const published = keys.map(quoteColumn).join(', ');
  return [
    draw.text(0.1, `CREATE STATISTICS st ON ${columns.slice(0, 2).map(quoteColumn).join(', ')} FROM t`),
    draw.text(0.15, `COMMENT ON COLUMN t.${key} IS 'it''s'`),
    draw.text(0.1, `COMMENT ON TABLE t IS '{"a": "\\"}'`),
    draw.text(0.1, 'GRANT SELECT, UPDATE ON t TO pg_monitor WITH GRANT OPTION'),
    draw.text(0.1, `GRANT UPDATE (${some}) ON t TO PUBLIC`),
    draw.text(0.1, `ALTER TABLE t ALTER ${some} SET STATISTICS 77`),
    draw.text(0.1, `ALTER TABLE t ALTER ${some} SET (n_distinct = 5)`),
    draw.text(0.1, `CREATE PUBLICATION pub FOR TABLE t${draw.text(0.5, ` (${published})`)}`),
  ].filter((sql) => sql !== '');
}

/** Those that change a row show by it how often they have fired. */
function drawTriggers(draw: Draw, { hasCounter, keys, others }: PostgresTable): readonly string[] {
  if (!hasCounter) return [];
  const some = quoteColumn(draw.of([...keys, ...others.filter(({ isComputed }) => isComputed !== true)]));
  const counting = `CREATE FUNCTION counting() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.${COUNTED} := COALESCE(NEW.${COUNTED}, 0) + 1; RETURN NEW; END'`;
  const idle = "CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
  const of = draw.text(0.3, ` OF ${some}`);
  const condition = draw.text(0.3, ` WHEN (OLD.${COUNTED} IS NOT NULL)`);
  const enabled = draw.of(['ENABLE', 'ENABLE', 'ENABLE ALWAYS', 'ENABLE REPLICA', 'DISABLE']);
  return [
    counting,
    idle,
    `CREATE TRIGGER a BEFORE UPDATE${of} ON t FOR EACH ROW${condition} EXECUTE FUNCTION counting()`,
    draw.text(0.4, 'CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION counting()'),
    draw.text(0.3, 'CREATE TRIGGER c AFTER INSERT OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION idle()'),
    draw.text(0.3, 'CREATE TRIGGER d AFTER UPDATE ON t REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION idle()'),
    draw.text(0.2, 'CREATE CONSTRAINT TRIGGER e AFTER INSERT ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION idle()'),
    draw.text(0.5, `ALTER TABLE t ${enabled} TRIGGER a`),
  ].filter((sql) => sql !== '');
}

function drawPolicies(draw: Draw, { keys, others }: PostgresTable): readonly string[] {
  const some = quoteColumn(draw.of([...keys, ...others]));
  if (!draw.happens(0.1)) return [];
  const forWhom = draw.of(['', ' FOR SELECT', ' TO pg_monitor']);
  return [
    `CREATE POLICY seen ON t${draw.text(0.3, ' AS RESTRICTIVE')}${forWhom} USING (${some} IS NOT NULL)`,
    draw.text(0.7, 'ALTER TABLE t ENABLE ROW LEVEL SECURITY'),
    draw.text(0.3, 'ALTER TABLE t FORCE ROW LEVEL SECURITY'),
  ].filter((sql) => sql !== '');
}

function drawViews(draw: Draw, { keys, others }: PostgresTable): readonly string[] {
  const share = draw.below(100);
  const columns: readonly GeneratedColumn[] = [...keys, ...others];
  const some = draw.of(columns);
  if (share < 8) return ['CREATE VIEW v AS SELECT * FROM t'];
  if (share < 16) {
    const view = `CREATE VIEW v AS SELECT ${quoteColumn(some)} AS shown FROM t WHERE ${quoteColumn(draw.of(keys))} IS NOT NULL`;
    return [view, draw.text(0.5, 'CREATE VIEW w AS SELECT count(shown) AS n FROM v')].filter((sql) => sql !== '');
  }
  if (share < 20) return ['CREATE RULE kept AS ON DELETE TO t WHERE false DO ALSO NOTHING'];
  if (share < 24) {
    return [`CREATE FUNCTION f() RETURNS bigint LANGUAGE sql RETURN (SELECT count(${quoteColumn(some)}) FROM t)`];
  }
  return [];
}
