/** What a test needs of the engine to run a migration with it: as it is, or bundled with a fault planted. */
export { Controls } from '../../src/engine/controls.ts';
export { runMigration } from '../../src/engine/migration.ts';
