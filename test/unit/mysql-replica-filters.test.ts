/** What a replica's filters do to the tables of a swap. */
import { describe, expect, test } from 'vitest';
import { judgeFilters, readFilters } from '../../src/mysql/replica-filters.ts';

const swapped = ['t', 't_ts_new', 't_ts_old_1'].map((table) => ({ schema: 'shop', table }));
const judge = (status: Readonly<Record<string, string>>, ignoresNameCase = false): string | null =>
  judgeFilters(readFilters(status), swapped, ignoresNameCase);

describe('the filters of a replica', () => {
  test.each([
    [{}],
    [{ Replicate_Do_DB: 'other,shop' }],
    [{ Replicate_Do_DB: 'other' }],
    [{ Replicate_Ignore_DB: 'shop' }],
    // What the list of schemas lets pass goes through the rules for tables.
    [{ Replicate_Do_DB: 'shop', Replicate_Wild_Do_Table: 'shop.%' }],
    [{ Replicate_Wild_Do_Table: 'SHOP.t%' }],
    [{ Replicate_Wild_Do_Table: 'shop.t\\_%', Replicate_Do_Table: 'shop.t' }],
    [{ Replicate_Wild_Ignore_Table: 'shop.t%' }],
    [{ Replicate_Do_Table: 'shop.u' }],
    [{ Replicate_Do_Table: 'Shop.T' }],
    [{ Replicate_Wild_Ignore_Table: 'tableshift.%' }],
    [{ Replicate_Rewrite_DB: '(elsewhere,shop)' }],
    [{ Replicate_Rewrite_DB: 'elsewhere->shop' }],
  ])('let the three tables pass, or leave them out, together: %j', (status) => {
    expect(judge(status)).toBe(null);
  });

  test.each([
    [
      { Replicate_Do_Table: 'shop.u,shop.t' },
      'applies changes of shop.t, but leaves out those of shop.t_ts_new, shop.t_ts_old_1',
    ],
    [{ Replicate_Ignore_Table: 'shop.t' }, 'applies changes of shop.t_ts_new, shop.t_ts_old_1, but leaves out those of shop.t'],
    [
      { Replicate_Wild_Ignore_Table: 'shop.%\\_old\\__' },
      'applies changes of shop.t, shop.t_ts_new, but leaves out those of shop.t_ts_old_1',
    ],
    // An exact rule comes before a pattern, and one that lets pass before one that does not.
    [
      { Replicate_Wild_Ignore_Table: 'shop.%', Replicate_Do_Table: 'shop.t' },
      'applies changes of shop.t, but leaves out those of shop.t_ts_new, shop.t_ts_old_1',
    ],
  ])('tear them apart: %j', (status, why) => {
    expect(judge(status)).toBe(`${why} (replicate-do-… and replicate-ignore-…)`);
  });

  test('go by the spelling of a name unless the server takes all for one', () => {
    expect(judge({ Replicate_Ignore_Table: 'shop.T' })).toBe(null);
    expect(judge({ Replicate_Ignore_Table: 'shop.T' }, true)).toContain('leaves out those of shop.t ');
  });

  test.each(['(other,o2),(shop,s2)', 'other->o2,shop->s2'])('may rename the schema: %s', (rules) => {
    expect(judge({ Replicate_Rewrite_DB: rules })).toBe('has the tables of shop in another schema (replicate-rewrite-db)');
  });
});
