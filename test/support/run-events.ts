/** Plans and events as a run has them, for tests of what is shown. */
import type { MigrationEvent, Progress } from '../../src/engine/events.ts';
import type { MigrationId, Plan } from '../../src/engine/model.ts';

/** A plan of a table with five columns, one of them renamed, one dropped, two added. */
export const examplePlan: Plan = {
  id: 'k3v9x2' as MigrationId,
  hash: 'abc',
  source: { schema: 'shop', table: 'orders' },
  shadow: { schema: 'shop', table: '_k3v9x2_shadow' },
  retired: { schema: 'shop', table: '_k3v9x2_retired' },
  clauses: 'RENAME COLUMN buyer TO customer,\n  DROP COLUMN fax, ADD COLUMN note varchar(200), ADD UNIQUE u (customer, note)',
  options: { deferIndexes: 'auto', key: null },
  strategy: 'shadow',
  key: { index: 'PRIMARY', columns: ['id'], shadowColumns: ['id'], shadowIndex: 'PRIMARY', isOrderKnown: true },
  columns: [
    { source: 'id', shadow: 'id' },
    { source: 'buyer', shadow: 'customer' },
    { source: 'created', shadow: 'created' },
  ],
  droppedColumns: ['fax'],
  addedColumns: ['note'],
  addedUniques: ['u'],
  deferredIndexes: ['by_created'],
  shadowDefinition: 'CREATE TABLE …',
  server: { flavour: 'mysql', version: '9.7.0' },
  estimate: { rows: 3_000_000, dataBytes: 1_610_612_736, indexBytes: 536_870_912 },
  notes: ['The new unique key u may meet duplicates.'],
};

/** The figures in the middle of a copy. */
export const copyProgress: Progress = {
  phase: 'copy',
  rowsCopied: 1_234_567,
  rowsEstimated: 3_000_000,
  rowsPerSecond: 52_000,
  etaMs: 34_000,
  rowsVerified: 0,
  keysPending: 412,
  keysApplied: 10_234,
  lagMs: 300,
  lagMaxMs: 1_250,
  chunkRows: 12_000,
  throttledBy: null,
  pace: 1,
  slowedBy: null,
  waitingFor: [],
  elapsedMs: 24_000,
};

/** A whole run with a throttle, a retry and a failed cutover attempt on its way. */
export const exampleRun: readonly MigrationEvent[] = [
  { kind: 'phase-entered', phase: 'prepare' },
  { kind: 'phase-entered', phase: 'copy' },
  { kind: 'chunk-copied', rows: 12_000, durationMs: 243, isCollided: false },
  { kind: 'progress', progress: copyProgress },
  { kind: 'throttled', signal: 'running-threads', detail: '80 of 50 threads run' },
  { kind: 'progress', progress: { ...copyProgress, throttledBy: 'running-threads: 80 of 50 threads run' } },
  { kind: 'throttle-released', throttledMs: 4_000 },
  {
    kind: 'retrying',
    what: 'copying a chunk',
    attempt: 1,
    code: 'DEADLOCK',
    message: 'Deadlock found\nwhen trying to get lock.',
  },
  { kind: 'changes-applied', keys: 410, durationMs: 31, rowsInTheWay: 0 },
  { kind: 'checkpoint-saved', phase: 'copy' },
  { kind: 'phase-entered', phase: 'finish-shadow' },
  { kind: 'phase-entered', phase: 'catch-up' },
  { kind: 'phase-entered', phase: 'verify' },
  { kind: 'range-verified', rows: 12_000, durationMs: 120, isEqual: false },
  { kind: 'difference-found', keys: ['id = 42'], pass: 1 },
  {
    kind: 'progress',
    progress: { ...copyProgress, phase: 'verify', rowsCopied: 3_000_412, rowsVerified: 1_500_206, rowsEstimated: 3_000_412 },
  },
  { kind: 'verification-passed', pass: 2, rows: 3_000_412, repaired: 1 },
  { kind: 'phase-entered', phase: 'await-cutover' },
  { kind: 'phase-entered', phase: 'cutover' },
  { kind: 'cutover-attempt', attempt: 1, lockTimeoutMs: 2_000 },
  {
    kind: 'cutover-failed',
    attempt: 1,
    reason: 'the lock was not had within 2000 ms',
    blockers: ['session 812 (root@10.0.0.9) in a transaction for 31 s'],
    nextInMs: 1_000,
  },
  { kind: 'phase-entered', phase: 'await-cutover' },
  { kind: 'phase-entered', phase: 'cutover' },
  { kind: 'cutover-attempt', attempt: 2, lockTimeoutMs: 2_000 },
  { kind: 'swapped', blockedMs: 34.28 },
  { kind: 'phase-entered', phase: 'clean-up' },
  { kind: 'phase-entered', phase: 'done' },
  { kind: 'finished', id: examplePlan.id },
];
