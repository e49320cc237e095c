/** Tables that refer to each other, as all servers can have them, and which of them change. */
import { type Draw, times } from './draw.ts';

export interface FamilyColumn {
  readonly name: string;
  /** Which of the types of the family it has. */
  readonly kind: 'number' | 'word';
}

/** A foreign key: columns of this table that refer to the key of another. */
export interface Link {
  readonly name: string;
  readonly columns: readonly string[];
  readonly parent: string;
  readonly isNullable: boolean;
  readonly action: string;
  /** PostgreSQL: looked at when the transaction ends. */
  readonly isDeferred: boolean;
}

export interface FamilyTable {
  readonly name: string;
  readonly keys: readonly FamilyColumn[];
  /** They are of the kinds of what they refer to. */
  readonly links: readonly Link[];
  /** Its key is a link, too. */
  readonly isTwin: boolean;
  /** What traffic may set besides, of a row of an owner. */
  readonly changes?: readonly ((draw: Draw, owner: number) => string)[];
}

/** The keys of a family are all of one kind. */
export interface Family {
  readonly keyKinds: readonly FamilyColumn['kind'][];
  /** Parents first. */
  readonly tables: readonly FamilyTable[];
  /** Added when all tables are there: keys that would go round in a circle. */
  readonly late: readonly { readonly table: string; readonly link: Link }[];
}

/** Types of the keys on one server. */
export type Types = Readonly<Record<FamilyColumn['kind'], string>>;

export function typeOf({ keyKinds }: Family, place: number, types: Types): string {
  return types[keyKinds[place] ?? 'number'];
}

/** What the changes of a family are drawn for. */
export interface ChangesAsked {
  readonly family: Family;
  /** The types that the keys get. */
  readonly wanted: Types;
  readonly isGated: boolean;
}

/** Besides: a number and a text that traffic changes, who owns the row, something to be unique, something that may go. */
export const PLAIN = { value: 'v', text: 'w', owner: 'owner', code: 'code', spare: 'spare' } as const;

export function drawFamily(draw: Draw, actions: readonly string[]): Family {
  const keyKinds = draw.of([['number'], ['number'], ['number'], ['word'], ['number', 'word']] as const);
  const keys = keyKinds.map((kind, place) => ({ name: `k${place}`, kind }));
  const link = (name: string, parent: string, isNullable: boolean): Link => {
    const drawn = draw.of(actions);
    return {
      ...{ name, parent, isNullable, isDeferred: draw.happens(0.25) },
      columns: keyKinds.map((_, place) => `${name}_${place}`),
      action: !isNullable && drawn.includes('SET NULL') ? '' : drawn,
    };
  };
  const tables: FamilyTable[] = [
    { name: 'a', keys, links: draw.happens(0.5) ? [link('up', 'a', true)] : [], isTwin: false },
    { name: 'b', keys, links: [link('of_a', 'a', draw.happens(0.5))], isTwin: false },
  ];
  if (draw.happens(0.6)) {
    const both = draw.happens(0.4) ? [link('too', 'a', true)] : [];
    tables.push({ name: 'c', keys, links: [link('of_b', 'b', draw.happens(0.5)), ...both], isTwin: false });
  }
  if (draw.happens(0.35)) {
    const own = { ...link('same', 'a', false), columns: keys.map(({ name }) => name) };
    tables.push({ name: 'd', keys, links: [{ ...own, action: own.action.includes('NULL') ? '' : own.action }], isTwin: true });
  }
  const late = draw.happens(0.25) ? [{ table: 'a', link: link('best', 'b', true) }] : [];
  return { keyKinds, tables, late };
}

/** A table that refers to nothing, with a key of two columns. */
export function loneTable(name: string): Family {
  const keyKinds = ['number', 'word'] as const;
  const keys = keyKinds.map((kind, place) => ({ name: `k${place}`, kind }));
  return { keyKinds, tables: [{ name, keys, links: [], isTwin: false }], late: [] };
}

/** All keys of a table, those that are added late, too. */
export function linksOf({ late }: Family, { links, name }: FamilyTable): readonly Link[] {
  return [...links, ...late.filter(({ table }) => table === name).map(({ link }) => link)];
}

/** A row that one session owns. */
export interface Identity {
  readonly owner: number;
  readonly number: number;
}

/** Rows that traffic moves have small numbers. */
export const HOT = 12;
/** Those that it changes in great numbers begin here. */
export const COLD = 100;

/** As literals that every type reads. */
export function keyValues(keyKinds: Family['keyKinds'], { owner, number }: Identity): readonly string[] {
  // No 0, for which the server may give a number of its own.
  return keyKinds.map((kind, place) => {
    if (place > 0) return `'p${number % 2}'`;
    return kind === 'number' ? `'${(owner + 1) * 1000 + number}'` : `'s${owner}-${number}'`;
  });
}

/** The statements that fill a table for so many owners, each with `cold` rows. */
export function fillings(
  draw: Draw,
  family: Family,
  { owners, cold }: { readonly owners: number; readonly cold: number },
): readonly string[] {
  const filled = new Map<string, Set<string>>();
  const idOf = ({ owner, number }: Identity): string => `${owner}/${number}`;
  return family.tables.flatMap((table) => {
    const there = new Set<string>();
    filled.set(table.name, there);
    return times(owners, (owner) => {
      const numbers = [
        ...times(HOT, (number) => number).filter(() => draw.happens(0.6)),
        ...times(cold, (place) => COLD + place),
      ];
      const rows = numbers.flatMap((number) => {
        const candidates = (parent: string): readonly Identity[] =>
          numbersOf(filled.get(parent) ?? new Set(), owner)
            .filter((one) => parent !== table.name || one < number)
            .map((one) => ({ owner, number: one }));
        if (table.isTwin && !filled.get('a')?.has(idOf({ owner, number }))) return [];
        const links = linkValues(draw, family, table, candidates);
        if (links === null) return [];
        there.add(idOf({ owner, number }));
        return [`(${rowValues(draw, family, { owner, number }, links).join(', ')})`];
      });
      return rows.length === 0 ? '' : `INSERT INTO ${table.name} (${columnsOf(table).join(', ')}) VALUES ${rows.join(', ')}`;
    }).filter((sql) => sql !== '');
  });
}

function numbersOf(ids: ReadonlySet<string>, owner: number): readonly number[] {
  return [...ids].filter((id) => id.startsWith(`${owner}/`)).map((id) => Number(id.split('/')[1]));
}

/** Values for the links that are no key themselves, or null where one that must be set has nothing to refer to. */
function linkValues(
  draw: Draw,
  { keyKinds }: Family,
  { isTwin, links }: FamilyTable,
  candidates: (parent: string) => readonly Identity[],
): readonly string[] | null {
  if (isTwin) return [];
  const values: string[] = [];
  for (const { isNullable, parent } of links) {
    const one = draw.ofAny(candidates(parent));
    if (one === null && !isNullable) return null;
    values.push(...(one === null || (isNullable && draw.happens(0.3)) ? keyKinds.map(() => 'NULL') : keyValues(keyKinds, one)));
  }
  return values;
}

/** What an INSERT names; a column that is added late is left out. */
export function columnsOf({ isTwin, keys, links }: FamilyTable): readonly string[] {
  const linked = isTwin ? [] : links.flatMap(({ columns }) => columns);
  return [...keys.map(({ name }) => name), ...linked, PLAIN.owner, PLAIN.value, PLAIN.text, PLAIN.code];
}

export function rowValues(draw: Draw, { keyKinds }: Family, id: Identity, links: readonly string[]): readonly string[] {
  // Those of the first rows are theirs alone; traffic takes one of another row now and then.
  const code = draw.happens(0.4) ? 'NULL' : `'${id.owner}:${id.number}'`;
  return [...keyValues(keyKinds, id), ...links, String(id.owner), String(draw.below(50)), drawText(draw), code];
}

export function drawText(draw: Draw): string {
  return draw.of(["'a'", "''", "'it''s'", 'NULL', "REPEAT('long ', 900)", "'é😀'"]);
}
