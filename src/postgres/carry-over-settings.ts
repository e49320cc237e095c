/** Carrying over what was set on the source while the migration ran (table-settings.ts), unless the ALTER has set it itself. */

import { keptColumns } from './alter-probe.ts';
import type { CarriedTables } from './carry-over-statements.ts';
import type { Column } from './catalog.ts';
import { quoteName, quoteTable, quoteText } from './statements.ts';
import type { ColumnSettings, TableSettings } from './table-settings.ts';

/**
 * Statements for the new table when it is in its place. `before`: the source's when its shadow was made. `partitions`: those of the new
 * table, which have the storage. None where nothing was set.
 */
export function settingStatements(
  { plan, source, shadow }: CarriedTables,
  before: TableSettings,
  partitions: readonly string[],
): readonly string[] {
  const table = quoteTable(plan.source);
  const parts = partitions.map((name) => quoteTable({ schema: plan.source.schema, table: name }));
  const stored = shadow.kind === 'p' ? parts : [table];
  const storage = [
    ...parameters({ before: before.options, now: source.options, shadow: stored === parts ? before.options : shadow.options }),
    ...parameters({
      before: before.toastOptions,
      now: source.toastOptions,
      shadow: stored === parts ? before.toastOptions : shadow.toastOptions,
      prefix: 'toast.',
    }),
  ];
  const columns = keptColumns(source, shadow).flatMap(([now, altered]) => {
    const column = before.columns[source.columns.indexOf(now)];
    return column === undefined ? [] : columnStatements({ table, tables: [table, ...parts], before: column, now, altered });
  });
  return [
    ...stored.flatMap((name) => storage.map((change) => `ALTER TABLE ${name} ${change}`)),
    ...(source.comment === before.comment ? [] : [`COMMENT ON TABLE ${table} IS ${textOrNull(source.comment)}`]),
    ...columns,
  ];
}

interface ChangedColumn {
  /** Where it is commented on. */
  readonly table: string;
  /** Where rows are counted. */
  readonly tables: readonly string[];
  readonly before: ColumnSettings;
  readonly now: ColumnSettings;
  readonly altered: Column;
}

function columnStatements({ table, tables, before, now, altered }: ChangedColumn): readonly string[] {
  const name = quoteName(altered.name);
  const target = now.statisticsTarget;
  const isTarget = target !== before.statisticsTarget && altered.statisticsTarget === before.statisticsTarget;
  const changes = [
    // The default is -1 up to 16, and may be written so after it.
    ...(isTarget ? [`SET STATISTICS ${target ?? -1}`] : []),
    ...parameters({ before: before.options, now: now.options, shadow: altered.options }),
  ];
  return [
    ...tables.flatMap((one) => changes.map((change) => `ALTER TABLE ${one} ALTER COLUMN ${name} ${change}`)),
    ...(now.comment === before.comment ? [] : [`COMMENT ON COLUMN ${table}.${name} IS ${textOrNull(now.comment)}`]),
  ];
}

interface ChangedParameters {
  /** Each as `name=value`. */
  readonly before: readonly string[];
  readonly now: readonly string[];
  readonly shadow: readonly string[];
  readonly prefix?: string;
}

/** `SET (…)` and `RESET (…)` for each parameter that is another one now, and that the shadow still has as it was. */
function parameters({ before, now, shadow, prefix = '' }: ChangedParameters): readonly string[] {
  const [earlier, current, altered] = [before, now, shadow].map(
    (options) =>
      new Map(options.map((option) => [option.slice(0, option.indexOf('=')), option.slice(option.indexOf('=') + 1)])),
  );
  const names = [...new Set([...(earlier?.keys() ?? []), ...(current?.keys() ?? [])])];
  return names
    .filter((name) => current?.get(name) !== earlier?.get(name) && altered?.get(name) === earlier?.get(name))
    .map((name) => {
      const value = current?.get(name);
      return value === undefined
        ? `RESET (${prefix}${quoteName(name)})`
        : `SET (${prefix}${quoteName(name)} = ${quoteText(value)})`;
    });
}

function textOrNull(text: string | null): string {
  return text === null ? 'NULL' : quoteText(text);
}
