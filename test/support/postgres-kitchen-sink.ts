/** Tables with one of everything that PostgreSQL keeps on a table, for the inventory before and after a migration. */
import type { PostgresSchema } from './postgres-adapter.ts';
import type { PostgresVersion } from './postgres-software.ts';

/** A table with one of everything that is carried over. */
export function kitchenSink(schema: string): readonly string[] {
  const [owner, reader] = [`owner_${schema}`, `reader_${schema}`];
  return [
    `CREATE ROLE ${owner}; CREATE ROLE ${reader}; GRANT CREATE, USAGE ON SCHEMA ${schema} TO ${owner}, ${reader}; SET search_path = ${schema}`,
    `CREATE TABLE t (gone int, id bigint GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 3), s serial, a int NOT NULL, b varchar(10) COLLATE "C" DEFAULT 'q',
      g int GENERATED ALWAYS AS (a * 2) STORED, r int4range, CONSTRAINT pk PRIMARY KEY (id),
      CONSTRAINT uq UNIQUE (a) WITH (fillfactor = 60) DEFERRABLE INITIALLY DEFERRED, CHECK (a > 0), CONSTRAINT ex EXCLUDE USING gist (r WITH &&))
      WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false)`,
    'ALTER TABLE t DROP gone; ALTER TABLE t ADD CONSTRAINT late CHECK (a < 1000) NOT VALID',
    'CREATE INDEX i1 ON t (lower(b), abs(a)) WHERE a > 0; ALTER INDEX i1 ALTER COLUMN 1 SET STATISTICS 77; CREATE INDEX i2 ON t (s DESC)',
    'ALTER TABLE t CLUSTER ON i2; CREATE UNIQUE INDEX u2 ON t (s, a) INCLUDE (b); CREATE STATISTICS st (ndistinct) ON a, b FROM t',
    'ALTER TABLE t ALTER a SET STATISTICS 55, ALTER b SET (n_distinct = -0.5), ALTER b SET STORAGE EXTERNAL',
    `COMMENT ON TABLE t IS 'it''s t'; COMMENT ON TYPE t IS 'its row'; COMMENT ON COLUMN t.a IS 'a'; COMMENT ON CONSTRAINT pk ON t IS 'pk'; COMMENT ON INDEX i1 IS 'i1'`,
    `COMMENT ON STATISTICS st IS 'st'; COMMENT ON SEQUENCE t_id_seq IS 'seq'; ALTER STATISTICS st SET STATISTICS 33`,
    `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
    'CREATE TRIGGER off BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE t DISABLE TRIGGER off',
    'CREATE TRIGGER always AFTER UPDATE OF a ON t FOR EACH ROW WHEN (NEW.a > 3) EXECUTE FUNCTION note()',
    `ALTER TABLE t ENABLE ALWAYS TRIGGER always; COMMENT ON TRIGGER off ON t IS 'off'`,
    'CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note()',
    `CREATE POLICY p ON t AS RESTRICTIVE FOR UPDATE TO ${reader} USING (a > 1) WITH CHECK (a > 2); CREATE POLICY q ON t`,
    `COMMENT ON POLICY p ON t IS 'p'; ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY`,
    `CREATE SEQUENCE of_generated OWNED BY t.g; ALTER TABLE t OWNER TO ${owner}; GRANT SELECT ON t TO ${reader} WITH GRANT OPTION; GRANT UPDATE (a, b) ON t TO ${reader}`,
    `SET ROLE ${reader}; GRANT SELECT ON t TO PUBLIC; RESET ROLE; GRANT USAGE ON SEQUENCE t_id_seq TO ${reader}`,
    `GRANT SELECT (g, ctid), REFERENCES (g) ON t TO ${reader}`,
    `CREATE PUBLICATION pub_${schema} FOR TABLE t (id, a) WHERE (id > 1); INSERT INTO t (a, b) VALUES (1, 'a'), (2, 'b')`,
    ...foreignKeys,
    ...viewsOver(owner, reader),
    ...functionsOnRows(owner, reader),
  ];
}

/** Foreign keys of `t`, to it and from it to itself. */
const foreignKeys: readonly string[] = [
  'CREATE TABLE parent (id int PRIMARY KEY, u int UNIQUE); INSERT INTO parent VALUES (1, 1); CREATE TABLE child (t bigint, a int); INSERT INTO child VALUES (5, NULL)',
  'ALTER TABLE t ADD parent int CONSTRAINT up REFERENCES parent ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, ADD other int REFERENCES parent (u) ON UPDATE CASCADE',
  'ALTER TABLE t ADD self bigint CONSTRAINT around REFERENCES t ON DELETE CASCADE, ADD CONSTRAINT unproven FOREIGN KEY (parent) REFERENCES parent (u) NOT VALID',
  'ALTER TABLE child ADD CONSTRAINT down FOREIGN KEY (t) REFERENCES t ON DELETE RESTRICT, ADD CONSTRAINT late FOREIGN KEY (t) REFERENCES t MATCH FULL NOT VALID',
  "COMMENT ON CONSTRAINT up ON t IS 'up'; COMMENT ON CONSTRAINT around ON t IS 'around'; COMMENT ON CONSTRAINT down ON child IS 'down'; UPDATE t SET parent = 1, self = 5",
];

/** Views over `t`, views over these, and rules and functions that lead to it, with all that they can have. */
function viewsOver(owner: string, reader: string): readonly string[] {
  return [
    'CREATE TABLE log (x bigint, y text); CREATE VIEW low WITH (security_barrier, check_option = local) AS SELECT id, a, b FROM t WHERE a > 0',
    "ALTER VIEW low ALTER b SET DEFAULT 'low'; COMMENT ON VIEW low IS 'low'; COMMENT ON COLUMN low.a IS 'low a'",
    'CREATE VIEW grouped AS SELECT t.*, count(*) AS n FROM t LEFT JOIN log ON x = id GROUP BY t.id; CREATE VIEW whole WITH (security_invoker) AS SELECT to_jsonb(t) AS row FROM t',
    'CREATE VIEW mid AS SELECT low.a, low.b, t.s FROM low JOIN t USING (id); CREATE VIEW top AS SELECT max(a) AS m FROM mid UNION SELECT s FROM grouped',
    'CREATE MATERIALIZED VIEW far AS SELECT * FROM top; CREATE RECURSIVE VIEW deep (id, n) AS SELECT id, 1 FROM t UNION ALL SELECT id, n + 1 FROM deep WHERE n < 3',
    'CREATE TRIGGER instead INSTEAD OF INSERT ON mid FOR EACH ROW EXECUTE FUNCTION note(); ALTER VIEW mid ALTER s SET DEFAULT 7',
    'CREATE RULE kept AS ON UPDATE TO mid DO INSTEAD UPDATE t SET a = NEW.a WHERE s = OLD.s; CREATE RULE off AS ON DELETE TO log DO DELETE FROM t WHERE id = OLD.x',
    "ALTER TABLE log DISABLE RULE off; COMMENT ON RULE kept ON mid IS 'kept'; CREATE RULE noted AS ON INSERT TO t WHERE NEW.a > 100 DO INSERT INTO log VALUES (NEW.a, NEW.b)",
    `CREATE RULE shut AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t DISABLE RULE shut; COMMENT ON RULE noted ON t IS 'noted'`,
    'CREATE FUNCTION total(over_a int DEFAULT 0) RETURNS bigint STABLE SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM t WHERE a > over_a; END',
    `ALTER VIEW low OWNER TO ${owner}; ALTER TABLE log OWNER TO ${owner}; ALTER FUNCTION total OWNER TO ${owner}; GRANT SELECT, UPDATE (a, b) ON low TO ${reader} WITH GRANT OPTION`,
    `SET ROLE ${reader}; GRANT SELECT ON low TO PUBLIC; RESET ROLE; GRANT INSERT ON mid TO ${reader}; GRANT EXECUTE ON FUNCTION total TO ${reader}`,
    "COMMENT ON FUNCTION total IS 'total'; REVOKE ALL ON whole FROM PUBLIC; ALTER VIEW grouped RENAME n TO many",
  ];
}

/** Functions and procedures that take or return rows of `t`, with all that they can have. */
function functionsOnRows(owner: string, reader: string): readonly string[] {
  return [
    "CREATE FUNCTION named(t) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 7 AS 'SELECT $1.b'",
    "CREATE FUNCTION listed(above int DEFAULT 0) RETURNS SETOF t LANGUAGE sql ROWS 5 SECURITY DEFINER SET search_path FROM CURRENT AS 'SELECT * FROM t WHERE a > above'",
    "CREATE FUNCTION first(VARIADIC all_of t[]) RETURNS t LANGUAGE plpgsql IMMUTABLE LEAKPROOF AS 'BEGIN RETURN all_of[1]; END'",
    "CREATE PROCEDURE \"Ke ep\"(IN kept t, OUT back t) LANGUAGE plpgsql AS 'BEGIN back := kept; END'; COMMENT ON PROCEDURE \"Ke ep\" IS 'ke''ep'; COMMENT ON FUNCTION listed IS 'listed'",
    `ALTER FUNCTION named OWNER TO ${owner}; ALTER FUNCTION listed OWNER TO ${owner}; REVOKE ALL ON FUNCTION listed FROM PUBLIC; GRANT EXECUTE ON FUNCTION listed TO ${reader} WITH GRANT OPTION`,
    `SET ROLE ${reader}; GRANT EXECUTE ON FUNCTION listed TO PUBLIC; RESET ROLE; REVOKE ALL ON FUNCTION named FROM ${owner}`,
  ];
}

/** Another one, with names that must be quoted, and with what one table cannot have beside the first. */
export function strangeSink(schema: string, version: PostgresVersion): readonly string[] {
  const [owner, one, two, three] = ['owner', 'c', 'b', 'a'].map((name) => `${name}_${schema}`);
  return [
    // Made in this order, so that the last to be granted something is the first by number.
    `CREATE ROLE ${three}; CREATE ROLE ${two}; CREATE ROLE ${one}; CREATE ROLE ${owner}`,
    `GRANT CREATE, USAGE ON SCHEMA ${schema} TO ${owner}, ${one}, ${two}, ${three}; SET allow_in_place_tablespaces = on`,
    `CREATE TABLESPACE space_${schema} LOCATION ''`,
    `CREATE ACCESS METHOD method_${schema} TYPE TABLE HANDLER heap_tableam_handler; SET search_path = ${schema}, public`,
    "CREATE DOMAIN short AS text CHECK (length(VALUE) < 100); CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE SEQUENCE \"Free Seq\"",
    `CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME "Id Seq" INCREMENT -2 MAXVALUE 1000 MINVALUE -1000 START 7 CACHE 5 CYCLE),
      u uuid NOT NULL DEFAULT gen_random_uuid(), "We ird" short[] DEFAULT '{x}', m mood DEFAULT 'ok', n numeric(10, 2), f bigint DEFAULT nextval('"Free Seq"'),
      j jsonb COMPRESSION pglz, v tsvector, r int4range, s int4range, e text COLLATE "POSIX", g text GENERATED ALWAYS AS (lower(e)) STORED,
      h smallint GENERATED ALWAYS AS IDENTITY, l real NOT NULL, CONSTRAINT "Pri mary" PRIMARY KEY (id) INCLUDE (n) USING INDEX TABLESPACE space_${schema},
      CONSTRAINT nulls UNIQUE NULLS NOT DISTINCT (n, m) INCLUDE (l), CONSTRAINT later UNIQUE (f) DEFERRABLE, CONSTRAINT "posi'tive" CHECK (n > 0) NO INHERIT,
      CONSTRAINT apart EXCLUDE USING gist (r WITH &&, s WITH -|-) WHERE (n > 5) DEFERRABLE INITIALLY DEFERRED)
      USING method_${schema} WITH (parallel_workers = 3, vacuum_truncate = false, toast.autovacuum_vacuum_threshold = 99) TABLESPACE space_${schema}`,
    'CREATE UNIQUE INDEX "Iden tity" ON t (u) WITH (deduplicate_items = off); ALTER TABLE t REPLICA IDENTITY USING INDEX "Iden tity"; ALTER TABLE t CLUSTER ON later',
    `CREATE INDEX "Odd" ON t (e text_pattern_ops DESC NULLS LAST, (n + 1), lower(e) COLLATE "C") INCLUDE (m) TABLESPACE space_${schema} WHERE m = 'ok'`,
    'ALTER INDEX "Odd" ALTER COLUMN 2 SET STATISTICS 0; ALTER INDEX "Odd" ALTER COLUMN 3 SET STATISTICS 200; CREATE INDEX ON t USING hash (m)',
    'CREATE INDEX ON t USING gin (j jsonb_path_ops) WITH (fastupdate = off); CREATE INDEX ON t USING gist (v tsvector_ops (siglen = 100)); CREATE INDEX ON t USING brin (l) WITH (pages_per_range = 8)',
    `CREATE UNIQUE INDEX part ON t (lower(e)) WHERE n > 9; CREATE STATISTICS "St at" (dependencies, mcv) ON e, (n + 1), m FROM t; CREATE SCHEMA other_${schema} AUTHORIZATION ${owner}`,
    `CREATE STATISTICS other_${schema}.away ON (lower(e)) FROM t; ALTER STATISTICS "St at" SET STATISTICS 0; GRANT ${one} TO ${owner}`,
    'ALTER TABLE t ALTER e SET STATISTICS 0, ALTER n SET (n_distinct = 5, n_distinct_inherited = 7), ALTER e SET STORAGE MAIN, ALTER "We ird" SET STORAGE EXTERNAL',
    ...[
      `TABLE t`,
      'COLUMN t."We ird"',
      'COLUMN t.g',
      'CONSTRAINT "posi\'tive" ON t',
      'CONSTRAINT apart ON t',
      'CONSTRAINT later ON t',
      'INDEX nulls',
      'INDEX "Odd"',
      'STATISTICS "St at"',
    ].map((what) => `COMMENT ON ${what} IS 'it''s \\ ${what.replaceAll("'", "''")}'`),
    `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; COMMENT ON SEQUENCE "Id Seq" IS 'counts down'`,
    `CREATE TRIGGER "Tr ig" AFTER UPDATE ON t REFERENCING OLD TABLE AS "o ld" NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note('a''b', '\\')`,
    'CREATE TRIGGER emptied BEFORE TRUNCATE ON t EXECUTE FUNCTION note(); CREATE TRIGGER changed AFTER UPDATE ON t FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION note()',
    `ALTER TABLE t ENABLE REPLICA TRIGGER emptied; COMMENT ON TRIGGER "Tr ig" ON t IS 'tr'; CREATE POLICY "Po licy" ON t FOR SELECT TO ${one}, ${two} USING (EXISTS (SELECT FROM pg_roles WHERE rolname = e))`,
    `CREATE POLICY added ON t FOR INSERT WITH CHECK (n > 1); ALTER TABLE t FORCE ROW LEVEL SECURITY; ALTER TABLE t OWNER TO ${owner}; ALTER STATISTICS "St at" OWNER TO ${one}`,
    `REVOKE DELETE, TRUNCATE ON t FROM ${owner}; GRANT SELECT, UPDATE ON t TO ${one} WITH GRANT OPTION; GRANT INSERT (e, n) ON t TO ${one} WITH GRANT OPTION`,
    `SET ROLE ${one}; GRANT SELECT ON t TO ${two} WITH GRANT OPTION; GRANT INSERT (n) ON t TO ${two} WITH GRANT OPTION; GRANT UPDATE (e) ON t TO ${two}; RESET ROLE`,
    `SET ROLE ${two}; GRANT SELECT ON t TO ${three} WITH GRANT OPTION; GRANT INSERT (n) ON t TO ${three}; GRANT SELECT (e) ON t TO PUBLIC; RESET ROLE`,
    `SET ROLE ${three}; GRANT SELECT ON t TO PUBLIC; RESET ROLE; GRANT USAGE ON SEQUENCE "Id Seq" TO ${one} WITH GRANT OPTION; SET ROLE ${one}; GRANT USAGE ON SEQUENCE "Id Seq" TO ${two}; RESET ROLE`,
    `CREATE PUBLICATION "Pub ${schema}" FOR TABLE t ("We ird", u) WHERE (u <> '00000000-0000-0000-0000-000000000000'); CREATE PUBLICATION whole_${schema} FOR TABLES IN SCHEMA ${schema}`,
    `INSERT INTO t (n, m, l, e) VALUES (10, 'ok', 1, 'A'), (11, 'sad', 2, 'B')`,
    ...materializedViewsOver(schema, { owner, one, two }),
    ...(version < 18
      ? []
      : [
          `ALTER TABLE t ADD x int GENERATED ALWAYS AS (l * 2) VIRTUAL, ADD y int CONSTRAINT "ne ver" NOT NULL NO INHERIT DEFAULT 3, ADD z int`,
          `ALTER TABLE t ADD CONSTRAINT lazy NOT NULL z NOT VALID, ADD CONSTRAINT idle CHECK (n < 0) NOT ENFORCED, ADD CONSTRAINT once UNIQUE (r, s WITHOUT OVERLAPS)`,
          `COMMENT ON CONSTRAINT "ne ver" ON t IS 'never'; COMMENT ON CONSTRAINT lazy ON t IS 'lazy'; COMMENT ON CONSTRAINT idle ON t IS 'idle'; COMMENT ON COLUMN t.x IS 'x'`,
        ]),
  ];
}

/** Materialised views over `t`, with all that they can have. */
function materializedViewsOver(
  schema: string,
  { owner, one, two }: Readonly<Record<'owner' | 'one' | 'two', string | undefined>>,
): readonly string[] {
  return [
    `CREATE MATERIALIZED VIEW "Sum med" USING method_${schema} WITH (fillfactor = 80, autovacuum_enabled = false, toast.autovacuum_enabled = false) TABLESPACE space_${schema}
       AS SELECT m AS "Mo od", e, count(*) AS rows, max(n) AS most, array_agg(u ORDER BY u) AS us FROM t GROUP BY m, e`,
    `CREATE UNIQUE INDEX "Sum Key" ON "Sum med" ("Mo od", e COLLATE "C" DESC) INCLUDE (rows) WITH (fillfactor = 66) TABLESPACE space_${schema}`,
    `CREATE INDEX sum_expression ON "Sum med" ((rows + 1), lower(e)) WHERE rows > 0; ALTER INDEX sum_expression ALTER COLUMN 1 SET STATISTICS 88; ALTER MATERIALIZED VIEW "Sum med" CLUSTER ON "Sum Key"`,
    `CREATE STATISTICS other_${schema}.sum_st (mcv) ON e, rows FROM "Sum med"; ALTER STATISTICS other_${schema}.sum_st SET STATISTICS 44; ALTER STATISTICS other_${schema}.sum_st OWNER TO ${one}`,
    'ALTER MATERIALIZED VIEW "Sum med" ALTER e SET STATISTICS 66, ALTER rows SET (n_distinct = 3), ALTER e SET STORAGE EXTERNAL, ALTER us SET COMPRESSION pglz, ALTER us SET STORAGE MAIN',
    ...['MATERIALIZED VIEW "Sum med"', 'COLUMN "Sum med"."Mo od"', 'INDEX "Sum Key"', `STATISTICS other_${schema}.sum_st`].map(
      (what) => `COMMENT ON ${what} IS 'it''s \\ ${what}'`,
    ),
    `ALTER MATERIALIZED VIEW "Sum med" OWNER TO ${owner}; GRANT SELECT ON "Sum med" TO ${one} WITH GRANT OPTION; GRANT SELECT (e) ON "Sum med" TO ${two}; REVOKE DELETE ON "Sum med" FROM ${owner}`,
    `SET ROLE ${one}; GRANT SELECT ON "Sum med" TO ${two}; GRANT SELECT (rows) ON "Sum med" TO PUBLIC; RESET ROLE`,
    `CREATE MATERIALIZED VIEW other_${schema}.unfilled (number, "Other") AS SELECT t.id, x.u FROM t JOIN t AS x USING (g) WITH NO DATA`,
  ];
}

/** Removes what a kitchen sink has outside its schema. */
export async function dropSink({ name, application }: PostgresSchema): Promise<void> {
  await application.run(`RESET ROLE; RESET search_path; DROP PUBLICATION IF EXISTS pub_${name}, "Pub ${name}", whole_${name}`);
  await application.run(
    `DROP SCHEMA IF EXISTS other_${name} CASCADE; DROP TABLE IF EXISTS ${name}.t CASCADE; DROP ACCESS METHOD IF EXISTS method_${name}`,
  );
  await application.run(`DROP TABLESPACE IF EXISTS space_${name}`);
  for (const role of ['owner', 'reader', 'a', 'b', 'c'].map((role) => `${role}_${name}`)) {
    const known = await application.run(`SELECT 1 FROM pg_roles WHERE rolname = '${role}'`);
    if (known.length > 0) await application.run(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
}
