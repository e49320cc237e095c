/** Planning in contract tests: the plan, or the obstacles that keep it from being made. */
import type { Plan, PlanOptions } from '../../src/engine/model.ts';
import { PlanRefusedError, type Obstacle } from '../../src/engine/obstacles.ts';
import { findObstacles } from '../../src/mysql/obstacles.ts';
import { makePlan } from '../../src/mysql/planner.ts';
import type { Server } from '../../src/mysql/server.ts';
import { never, type TestSchema } from './adapter-server.ts';
import { seededRandom } from './random.ts';

/** What to plan. */
export interface PlanningRequest {
  readonly server: Server;
  readonly schema: TestSchema;
  /** `t` unless given. */
  readonly table?: string;
  readonly clauses: string;
  readonly options?: Partial<PlanOptions>;
}

/** Makes the plan, always with the same chance. */
export function plan({ server, schema, table = 't', clauses, options }: PlanningRequest): Promise<Plan> {
  const request = {
    table: { schema: schema.name, table },
    clauses,
    options: { deferIndexes: 'auto', key: null, ...options } as const,
  };
  return makePlan(server, request, { random: seededRandom('plan') }, never);
}

/** The obstacles that keep a plan from being made; none where one is made. */
export async function refusal(request: PlanningRequest): Promise<readonly Obstacle[]> {
  try {
    await plan(request);
    return [];
  } catch (error) {
    if (error instanceof PlanRefusedError) return error.obstacles;
    throw error;
  }
}

/** Obstacles as code and message. */
export type Found = readonly (readonly [string, string])[];

/** Shows obstacles as code and message. */
export function shown(obstacles: readonly Obstacle[]): Found {
  return obstacles.map(({ code, message }) => [code, message]);
}

/** The obstacles of a change of the table t. */
export async function obstaclesOf(server: Server, schema: TestSchema, clauses: string): Promise<Found> {
  return shown(await findObstacles(server, await plan({ server, schema, clauses }), never));
}
