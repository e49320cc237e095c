/** What hangs on a generated table of MySQL or MariaDB: keys to and from other tables, triggers, and what a definition may say beside. */
import { type Beside, COUNTED, LINK } from './beside.ts';
import { type Draw, times } from './draw.ts';
import { type MysqlTable, quoteColumn } from './mysql-table.ts';

type Hanging = Beside & Pick<MysqlTable, 'flavour' | 'keys'>;

/** Definitions of the table beside its columns and indexes. */
export function drawParentKey(draw: Draw, { flavour, hasParent }: Hanging): readonly string[] {
  // Rows that a cascade changes are not in the log of MariaDB.
  const actions = flavour === 'mysql' ? ['', ' ON DELETE SET NULL', ' ON DELETE CASCADE', ' ON UPDATE CASCADE'] : [''];
  const name = draw.of(['CONSTRAINT up ', 'CONSTRAINT `Ünd up` ', '']);
  return hasParent ? [`${name}FOREIGN KEY (${LINK}) REFERENCES p (id)${draw.of(actions)}`] : [];
}

/** Made behind the rows. */
export function drawBehind(draw: Draw, { hasChild, hasCounter, keys }: Hanging): readonly string[] {
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
