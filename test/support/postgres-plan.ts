/** Planning on PostgreSQL in contract tests: the plan, or the obstacles that keep it from being made. */
import type { Plan, PlanOptions } from '../../src/engine/model.ts';
import { PlanRefusedError, type Obstacle } from '../../src/engine/obstacles.ts';
import { makePlan } from '../../src/postgres/planner.ts';
import type { Server } from '../../src/postgres/server.ts';
import { never, type PostgresSchema } from './postgres-adapter.ts';
import { seededRandom } from './random.ts';

/** What to plan: a change of the table `t`. */
export interface PostgresPlanning {
  readonly server: Server;
  readonly schema: PostgresSchema;
  readonly clauses: string;
  readonly options?: Partial<PlanOptions>;
}

/** Makes the plan. The chance comes from the schema's name, so that tests beside each other do not meet. */
export function planPostgres({ server, schema, clauses, options }: PostgresPlanning): Promise<Plan> {
  const request = {
    table: { schema: schema.name, table: 't' },
    clauses,
    options: { deferIndexes: 'auto', key: null, ...options } as const,
  };
  return makePlan(server, request, { random: seededRandom(schema.name) }, never);
}

/** The obstacles that keep a plan from being made, as code and message; none where one is made. */
export async function postgresRefusal(planning: PostgresPlanning): Promise<readonly (readonly [string, string])[]> {
  try {
    await planPostgres(planning);
    return [];
  } catch (error) {
    if (error instanceof PlanRefusedError) return shownObstacles(error.obstacles);
    throw error;
  }
}

/** Obstacles as code and message. */
export function shownObstacles(obstacles: readonly Obstacle[]): readonly (readonly [string, string])[] {
  return obstacles.map(({ code, message }) => [code, message]);
}
