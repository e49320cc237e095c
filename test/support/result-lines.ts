/**
 * A vitest reporter that writes one line a test for `scripts/test` to add up: passed, failed or skipped, its name, and the reason
 * of a skip, separated by tabs. Vitest's own JSON reporter does not say why a test was skipped.
 */
import { writeFileSync } from 'node:fs';
import type { SerializedError } from 'vitest';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Writes to the file that `TABLESHIFT_TEST_RESULTS` names, if it does. */
export class ResultLines implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const file = process.env['TABLESHIFT_TEST_RESULTS'];
    if (file === undefined) return;
    const lines = [
      ...modules.flatMap((module) => [...failedSuites(module), ...Array.from(module.children.allTests(), testLine)]),
      ...unhandledErrors.map((error) => line('failed', `an error outside of any test: ${error.message}`)),
    ];
    writeFileSync(file, lines.join(''));
  }
}

function testLine(test: TestCase): string {
  const result = test.result();
  // A test that was never reached, because its file or a hook broke, has not passed.
  const outcome = result.state === 'pending' ? 'failed' : result.state;
  const reason = result.state === 'skipped' ? (result.note ?? '') : '';
  return line(outcome, `${test.module.relativeModuleId} > ${test.fullName}`, reason);
}

/** Files that could not be loaded, and suites whose hooks failed. */
function failedSuites(module: TestModule): string[] {
  const suites = [module, ...module.children.allSuites()];
  return suites
    .filter((suite) => suite.errors().length > 0)
    .map((suite) => {
      const name = suite.type === 'module' ? suite.relativeModuleId : `${suite.module.relativeModuleId} > ${suite.fullName}`;
      return line('failed', `${name}: ${suite.errors()[0]?.message ?? 'failed'}`);
    });
}

function line(outcome: string, name: string, reason = ''): string {
  return `${[outcome, name, reason].map((text) => text.replaceAll(/\s+/g, ' ')).join('\t')}\n`;
}
