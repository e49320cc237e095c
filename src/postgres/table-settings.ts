/**
 * What may be set on a source while a migration runs, for neither a row nor the shape of the shadow depends on it: comments, storage
 * parameters, statistics targets. The shadow gets it when it is made, and what is another one at the swap then.
 */

import type { Column, TableDescription } from './catalog.ts';

/** Of a table, as its description has them; the columns in its order. */
export interface TableSettings extends Pick<TableDescription, 'comment' | 'options' | 'toastOptions'> {
  readonly columns: readonly ColumnSettings[];
}

export type ColumnSettings = Pick<Column, 'comment' | 'options' | 'statisticsTarget'>;

export function settingsOf({ comment, options, toastOptions, columns }: TableDescription): TableSettings {
  return {
    comment,
    options,
    toastOptions,
    columns: columns.map(({ comment, options, statisticsTarget }) => ({ comment, options, statisticsTarget })),
  };
}

/** The rest of a description. */
export function withoutSettings(table: TableDescription): TableDescription {
  const columns = table.columns.map((column) => ({ ...column, comment: null, options: [], statisticsTarget: null }));
  return { ...table, comment: null, options: [], toastOptions: [], columns };
}
