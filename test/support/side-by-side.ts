/** Tests of several servers at the same time, where most of what they do is wait: those of one server run one after another. */
import { describe } from 'vitest';

/** Like `describe.each`: `title` is what stands before the server in the name of its tests. */
export function describeSideBySide<Server extends string | number>(
  servers: readonly Server[],
  title: string,
  describeOne: (server: Server) => void,
): void {
  describe.concurrent.each([...servers])('%s', (server) => {
    describe.sequential(`${title} ${server}`, () => {
      describeOne(server);
    });
  });
}
