/** Tests of several servers at the same time, where most of what they do is wait: those of one server run one after another. */
import { describe } from 'vitest';

/** Like `describe.each(servers)`: `title` and `describeOne` get each of them. */
export function describeSideBySide<Server extends string | number>(
  servers: readonly Server[],
  title: (server: Server) => string,
  describeOne: (server: Server) => void,
): void {
  describe.concurrent.each([...servers])('%s', (server) => {
    describe.sequential(title(server), () => describeOne(server));
  });
}
