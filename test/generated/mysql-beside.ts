/** What hangs on a generated table of MySQL or MariaDB: keys to and from other tables, triggers, and what a definition may say beside. */
import { type Draw, times } from './draw.ts';
import { type MysqlTable, quoteColumn } from './mysql-table.ts';

/** The parent has these; a row of the table refers to one of them or to none. */
export const PARENT_IDS = ['1', '2', '3', '4', '5'] as const;

/** Of the integer column that refers to the parent, and of that which a trigger counts in. */
export const LINK = 'link';
export const COUNTED = 'counted';

type Beside = Pick<MysqlTable, 'flavour' | 'hasChild' | 'hasCounter' | 'hasParent' | 'keys'>;

/** Made before the table. */
export function parentStatements({ hasParent }: Beside): readonly string[] {
  const rows = PARENT_IDS.map((id) => `(${id})`).join(', ');
  return hasParent ? ['CREATE TABLE p (id INT PRIMARY KEY)', `INSERT INTO p VALUES ${rows}`] : [];
}

/** Definitions of the table beside its columns and indexes. */
export function drawParentKey(draw: Draw, { flavour, hasParent }: Beside): readonly string[] {
  // Rows that a cascade changes are not in the log of MariaDB.
  const actions = flavour === 'mysql' ? ['', ' ON DELETE SET NULL', ' ON DELETE CASCADE', ' ON UPDATE CASCADE'] : [''];
  const name = draw.of(['CONSTRAINT up ', 'CONSTRAINT `Ünd up` ', '']);
  return hasParent ? [`${name}FOREIGN KEY (${LINK}) REFERENCES p (id)${draw.of(actions)}`] : [];
}

/** Made behind the rows. */
export function drawBehind(draw: Draw, { hasChild, hasCounter, keys }: Beside): readonly string[] {
  const names = keys.map(quoteColumn).join(', ');
  const columns = keys.map((key) => `${quoteColumn(key)} ${key.type.ddl}`).join(', ');
  const action = draw.of(['', ' ON DELETE SET NULL', ' ON DELETE CASCADE', ' ON UPDATE CASCADE']);
  const down = `CONSTRAINT down FOREIGN KEY (${names}) REFERENCES t (${names})${action}`;
  const child = [
    `CREATE TABLE ch (id INT AUTO_INCREMENT PRIMARY KEY, ${columns}, ${down})`,
    `INSERT IGNORE INTO ch (${names}) SELECT ${names} FROM t ORDER BY ${names} LIMIT 3`,
  ];
  const counting = `FOR EACH ROW SET NEW.${COUNTED} = NEW.${COUNTED} + 1`;
  const triggers = [
    'CREATE TABLE l (n INT AUTO_INCREMENT PRIMARY KEY, what TEXT)',
    `CREATE TRIGGER a BEFORE UPDATE ON t ${counting}`,
    draw.text(0.4, `CREATE TRIGGER b BEFORE UPDATE ON t ${counting}`),
    draw.text(0.4, `CREATE TRIGGER \`c c\` BEFORE INSERT ON t ${counting}`),
    draw.text(0.4, "CREATE TRIGGER d AFTER DELETE ON t FOR EACH ROW INSERT INTO l (what) VALUES ('it''s gone')"),
    draw.text(0.4, 'CREATE TRIGGER e AFTER INSERT ON t FOR EACH ROW BEGIN INSERT INTO l (what) VALUES (NEW.counted); END'),
  ];
  return [...(hasChild ? child : []), ...(hasCounter ? triggers : [])].filter((sql) => sql !== '');
}

/** A write to the parent or to the child. */
export function drawRelated(draw: Draw, { hasChild, hasParent, keys }: Beside): string {
  const names = keys.map(quoteColumn).join(', ');
  const ofChild = [`INSERT IGNORE INTO ch (${names}) SELECT ${names} FROM t ORDER BY ${names} LIMIT 2`, 'DELETE FROM ch'];
  const id = draw.of(PARENT_IDS);
  const ofParent = [
    ...[`DELETE IGNORE FROM p WHERE id = ${id}`, `INSERT IGNORE INTO p VALUES (${id})`],
    `UPDATE IGNORE p SET id = id + 10 WHERE id = ${id}`,
  ];
  return draw.of([...(hasChild ? ofChild : []), ...(hasParent ? ofParent : [])]);
}

/** Behind the definitions. */
export function drawTableOptions(draw: Draw, flavour: MysqlTable['flavour']): string {
  const options = [
    ...[
      String.raw` COMMENT='it''s \\ here'`,
      ' STATS_PERSISTENT=1',
      ' STATS_SAMPLE_PAGES=7',
      ' AUTO_INCREMENT=1234',
      ' MAX_ROWS=99',
    ],
    ...(flavour === 'mysql' ? [" COMPRESSION='none'"] : [' PAGE_CHECKSUM=1', ' CHECKSUM=1']),
  ];
  return times(draw.of([0, 0, 0, 1, 2]), () => draw.of(options)).join('');
}
